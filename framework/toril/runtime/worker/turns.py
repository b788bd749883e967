"""When a tick of a schedule runs: the next one is added, and one that is too late is left out."""

from __future__ import annotations

from toril.declarations.pipeline import Pipeline
from toril.declarations.schedule import Schedule
from toril.declarations.units import format_duration
from toril.errors import InvalidData
from toril.runtime.job import ClaimedJob
from toril.runtime.keys import QueueKeys
from toril.runtime.schedules import follow_tick, read_tick_ms
from toril.runtime.ticks import find_tick
from toril.runtime.worker.ground import Ground


class Turns:
    """Lets the ticks of schedules run, each in its turn."""

    def __init__(self, ground: Ground, pipeline: Pipeline) -> None:
        self._ground = ground
        self._pipeline = pipeline

    async def take(self, job: ClaimedJob) -> str | None:
        """Adds the tick that follows; gives why this one is not to run, None if it is."""
        tick = find_tick(self._pipeline, job)
        schedule = None if tick is None else tick.schedule
        await self._follow(job, schedule)
        return None if schedule is None else self._explain_late(job, schedule)

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
