"""What a runner does for its queues now and then: sweep stalled jobs, heal schedules."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from toril.clock import Clock
from toril.declarations.pipeline import Pipeline
from toril.declarations.queue import Queue
from toril.declarations.units import format_rate
from toril.errors import RedisUnavailable
from toril.runner.link import RedisLink
from toril.runtime.calls.limits import apply_limits, wake_parked
from toril.runtime.calls.locks import Swept
from toril.runtime.keys import QueueKeys
from toril.runtime.schedules import AppliedSchedule, apply_schedules
from toril.runtime.steps import walk
from toril.runtime.worker.stalled import StalledSweep

OnEvent = Callable[[str, Mapping[str, Any]], None]
#: Takes a queue and the ids of its jobs that stalled.
OnStalled = Callable[[str, Sequence[str]], None]

#: How often schedules are healed when no queue of ours says how often it is swept.
_HEAL_EVERY_MS = 30_000

#: What is done to a schedule, other than finding it as it should be.
_WORTH_TELLING = frozenset({"created", "changed", "healed", "removed"})
#: What is told, at the start alone, of a schedule that does not tick.
_NOT_IN_FORCE = {
    "refused": "schedule_refused",
    "paused": "schedule_paused",
    "over": "schedule_over",
}


class Housekeeper:
    """Runs until cancelled; while Redis is away it waits and tries again."""

    def __init__(
        self,
        *,
        link: RedisLink,
        pipeline: Pipeline,
        queues: Sequence[Queue],
        clock: Clock,
        on_event: OnEvent,
        on_stalled: OnStalled,
    ) -> None:
        self._link = link
        self._pipeline = pipeline
        self._queues = queues
        self._clock = clock
        self._on_event = on_event
        self._on_stalled = on_stalled

    async def run(self) -> None:
        """Sweeps every queue at its own pace."""
        sweep = StalledSweep(
            self._link.sender,
            self._clock,
            self._queues,
            prefix=self._pipeline.redis.prefix,
            on_swept=self._tell_swept,
            outage=self._link.outage,
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(sweep.run())
            if self._pipeline.schedules:
                group.create_task(self._keep_healing())
            if any(queue.limits for queue in self._queues):
                group.create_task(self._keep_waking())

    async def apply_limits(self) -> None:
        """Brings the limits of the declared queues to what is declared, where that is new."""
        for queue in self._pipeline.queues.values():
            keys = QueueKeys(self._pipeline.redis.prefix, queue.name)
            steps = apply_limits(keys, queue.max_active, queue.rate_limit, queue.limits)
            if await walk(steps, self._link.sender.send):
                rate = None if queue.rate_limit is None else format_rate(queue.rate_limit)
                fields = {
                    "max_active": queue.max_active or "none",
                    "rate": rate or "none",
                    "per_key": len(queue.limits),
                }
                self._on_event("limits_applied", {"queue": queue.name, **fields})

    async def apply_schedules(self) -> None:
        """Brings Redis to what the pipeline declares."""
        for schedule in await apply_schedules(self._link.sender, self._pipeline, self._clock):
            self._tell(schedule)
            event = _NOT_IN_FORCE.get(schedule.action)
            if event is not None:
                fields = {"schedule": schedule.name, "reason": schedule.reason}
                self._on_event(event, {"queue": schedule.queue, **fields})

    def _tell(self, schedule: AppliedSchedule) -> None:
        if schedule.action in _WORTH_TELLING:
            fields = {"schedule": schedule.name, "action": schedule.action}
            self._on_event("schedule_applied", {"queue": schedule.queue, **fields})

    def _tell_swept(self, queue: str, swept: Swept) -> None:
        stalled = [*swept.returned, *swept.failed]
        if stalled:
            fields = {"returned": len(swept.returned), "failed": len(swept.failed)}
            self._on_event("jobs_stalled", {"queue": queue, **fields})
            self._on_stalled(queue, stalled)

    async def _keep_waking(self) -> None:
        while True:
            await self._sleep()
            for queue in self._queues:
                keys = QueueKeys(self._pipeline.redis.prefix, queue.name)
                try:
                    if queue.limits:
                        steps = wake_parked(keys, now_ms=self._clock.now_ms())
                        await walk(steps, self._link.sender.send)
                except RedisUnavailable as error:
                    self._link.failed(error, during="waking what waits for its key")

    async def _sleep(self) -> None:
        every_ms = min((q.stalled_every_ms for q in self._queues), default=_HEAL_EVERY_MS)
        await self._clock.sleep(every_ms / 1000)

    async def _keep_healing(self) -> None:
        while True:
            await self._sleep()
            try:
                for schedule in await apply_schedules(
                    self._link.sender, self._pipeline, self._clock
                ):
                    self._tell(schedule)
            except RedisUnavailable as error:
                self._link.failed(error, during="healing schedules")
