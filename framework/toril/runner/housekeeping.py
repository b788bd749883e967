"""What a runner does for its queues now and then: sweep stalled jobs, heal schedules."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from toril.clock import Clock
from toril.declarations.pipeline import Pipeline
from toril.declarations.queue import Queue
from toril.errors import RedisUnavailable
from toril.runner.link import RedisLink
from toril.runtime.calls.locks import sweep_stalled
from toril.runtime.keys import QueueKeys
from toril.runtime.schedules import AppliedSchedule, apply_schedules
from toril.runtime.worker.reconnect import Pauses

OnEvent = Callable[[str, Mapping[str, Any]], None]
#: Takes a queue and the ids of its jobs that stalled.
OnStalled = Callable[[str, Sequence[str]], None]

#: What is done to a schedule, other than finding it as it should be.
_WORTH_TELLING = frozenset({"created", "changed", "healed", "removed"})


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
        async with asyncio.TaskGroup() as group:
            for queue in self._queues:
                group.create_task(self._keep_sweeping(queue))
            if self._pipeline.schedules:
                group.create_task(self._keep_healing())

    async def apply_schedules(self) -> None:
        """Brings Redis to what the pipeline declares."""
        for schedule in await apply_schedules(self._link.sender, self._pipeline, self._clock):
            self._tell(schedule)
            if schedule.action == "refused":
                fields = {"schedule": schedule.name, "reason": schedule.reason}
                self._on_event("schedule_refused", {"queue": schedule.queue, **fields})

    def _tell(self, schedule: AppliedSchedule) -> None:
        if schedule.action in _WORTH_TELLING:
            fields = {"schedule": schedule.name, "action": schedule.action}
            self._on_event("schedule_applied", {"queue": schedule.queue, **fields})

    async def _keep_sweeping(self, queue: Queue) -> None:
        pauses = Pauses()
        while True:
            try:
                await self._sweep(queue)
            except RedisUnavailable as error:
                self._link.failed(error, during=f"sweeping queue {queue.name!r}")
                await asyncio.sleep(pauses.next_s())
            else:
                pauses.reset()
                await asyncio.sleep(queue.stalled_every_ms / 1000)

    async def _sweep(self, queue: Queue) -> None:
        swept = await self._link.sender.send(
            sweep_stalled(
                QueueKeys(self._pipeline.redis.prefix, queue.name),
                now_ms=self._clock.now_ms(),
                every_ms=queue.stalled_every_ms,
                limit=queue.stalled_limit,
            )
        )
        stalled = [*swept.returned, *swept.failed]
        if stalled:
            fields = {"returned": len(swept.returned), "failed": len(swept.failed)}
            self._on_event("jobs_stalled", {"queue": queue.name, **fields})
            self._on_stalled(queue.name, stalled)

    async def _keep_healing(self) -> None:
        every_s = min(queue.stalled_every_ms for queue in self._queues) / 1000
        while True:
            await asyncio.sleep(every_s)
            try:
                for schedule in await apply_schedules(
                    self._link.sender, self._pipeline, self._clock
                ):
                    self._tell(schedule)
            except RedisUnavailable as error:
                self._link.failed(error, during="healing schedules")
