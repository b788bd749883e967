"""When a tick of a schedule is to run: the next one is added, and it may be left out or wait."""

from __future__ import annotations

from toril.declarations.pipeline import Pipeline
from toril.declarations.schedule import Overlap, Schedule
from toril.declarations.units import format_duration
from toril.errors import Delay, InvalidData
from toril.runtime.calls.schedules import enter_tick
from toril.runtime.flows import find_ends
from toril.runtime.job import ClaimedJob
from toril.runtime.keys import QueueKeys
from toril.runtime.schedules import follow_tick, read_tick_ms
from toril.runtime.ticks import Tick, find_tick
from toril.runtime.worker.ground import Ground

#: How often a tick that waits looks whether it may begin.
_SOONEST_S, _LATEST_S = 1.0, 30.0


class Turns:
    """Lets the ticks of schedules run, each in its turn."""

    def __init__(self, ground: Ground, pipeline: Pipeline) -> None:
        self._ground = ground
        self._pipeline = pipeline

    async def take(self, job: ClaimedJob) -> str | None:
        """Adds the tick that follows; gives why this one is not to run, None if it is.

        Raises Delay for one that waits for the work of a former tick; none follows until it begins.
        """
        tick = find_tick(self._pipeline, job)
        if tick is None:
            await self._follow(job, None)
            return None
        schedule = tick.schedule
        not_now = self._explain_late(job, schedule)
        if not_now is None and not await self._may_begin(job, tick):
            if schedule.overlap is Overlap.QUEUE:
                raise Delay(self._look_again_after(job))
            not_now = "the work of a former tick has not ended"
        await self._follow(job, schedule)
        return not_now

    async def _may_begin(self, job: ClaimedJob, tick: Tick) -> bool:
        if tick.schedule.overlap is Overlap.ALLOW:
            return True
        keys = QueueKeys(self._ground.prefix, job.queue)
        ends = find_ends(self._pipeline, tick, job)
        return await self._ground.outbox.send(enter_tick(keys, tick.schedule.name, job.id, ends))

    def _look_again_after(self, job: ClaimedJob) -> float:
        """Gives in how many seconds: soon at first, and less often the longer it waits."""
        waited_ms = self._ground.clock.now_ms() - (read_tick_ms(job) or job.timestamp_ms)
        return min(max(waited_ms / 10_000, _SOONEST_S), _LATEST_S)

    async def _follow(self, job: ClaimedJob, schedule: Schedule | None) -> None:
        keys = QueueKeys(self._ground.prefix, job.queue)
        back_ms = 0
        if schedule is not None and schedule.catches_up:
            back_ms = schedule.latest_ms or 0
        try:
            call = follow_tick(keys, job, now_ms=self._ground.clock.now_ms(), back_ms=back_ms)
        except (InvalidData, ValueError) as error:
            self._ground.news.schedule_ended(job, error)
            return
        if call is not None:
            await self._ground.outbox.send(call)

    def _explain_late(self, job: ClaimedJob, schedule: Schedule) -> str | None:
        """Says that the tick is too late to start; one that was started in time goes on."""
        tick_ms, latest_ms = read_tick_ms(job), schedule.latest_ms
        if tick_ms is None or latest_ms is None or job.attempts_started > 1:
            return None
        late_ms = self._ground.clock.now_ms() - tick_ms - schedule.jitter_ms
        if late_ms <= latest_ms:
            return None
        return f"it is more than {format_duration(latest_ms)} late"
