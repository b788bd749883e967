"""What a runner does for its queues now and then."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from toril.declarations.job_type import JobType
from toril.declarations.pipeline import Pipeline, RedisSettings
from toril.declarations.queue import Queue
from toril.declarations.schedule import Schedule
from toril.errors import RedisUnavailable
from toril.runner.housekeeping import Housekeeper
from toril.runtime.call import Call
from toril.runtime.calls.locks import Swept
from toril.runtime.worker.reconnect import Outage
from toril.testing.virtual_clock import VirtualClock


class Sender:
    """Answers every sweep with jobs that stalled, after failing as often as it is told."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.trips: list[list[str | None]] = []

    async def send_many(self, calls: Sequence[Call[Any]], **_: bool) -> list[Any]:
        self.trips.append([call.script for call in calls])
        if len(self.trips) <= self.failures:
            raise RedisUnavailable("away")
        return [
            Swept([f"{call.keys[0]}j1"], []) if call.script == "sweep_stalled" else []
            for call in calls
        ]


def start(
    sender: Sender, queues: Sequence[Queue], *, schedules: Sequence[Schedule] = ()
) -> tuple[asyncio.Task[None], VirtualClock, list[str]]:
    clock = VirtualClock()
    stalled: list[str] = []
    pipeline = Pipeline(
        root=Path("/pipelines"),
        project="test",
        redis=RedisSettings(prefix="bull"),
        queues={queue.name: queue for queue in queues},
        jobs={"sync": JobType(name="sync", queue=queues[0].name, use="sync")},
        schedules={schedule.name: schedule for schedule in schedules},
    )
    link: Any = SimpleNamespace(
        sender=sender, outage=Outage(clock, lambda event, fields: None), failed=lambda *_, **__: 0
    )
    housekeeper = Housekeeper(
        link=link,
        pipeline=pipeline,
        queues=[queue for queue in queues if queue.served_by == "toril"],
        clock=clock,
        on_event=lambda event, fields: None,
        on_stalled=lambda queue, ids: stalled.extend(ids),
    )
    return asyncio.create_task(housekeeper.run()), clock, stalled


async def end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled(), task.exception()


async def test_all_queues_are_swept_in_one_trip(wait_until: Any) -> None:
    sender = Sender()
    task, _, stalled = start(sender, [Queue(name=f"q{n}") for n in range(1_000)])

    await wait_until(lambda: len(stalled) == 1_000)

    assert len(sender.trips) == 1
    await end(task)


async def test_a_sweep_that_failed_is_tried_again_long_before_the_next_is_due(
    wait_until: Any,
) -> None:
    task, clock, stalled = start(Sender(failures=1), [Queue(name="q", stalled_every_ms=40_000)])

    async def advance() -> bool:
        clock.advance(0.1)
        await asyncio.sleep(0)
        return bool(stalled)

    began = clock.monotonic()
    await wait_until(advance, every=0.0)

    assert stalled == ["bull:q:j1"]
    assert clock.monotonic() - began < 11
    await end(task)


async def test_schedules_are_healed_where_others_serve_every_queue(wait_until: Any) -> None:
    sender = Sender()
    hourly = Schedule(name="hourly", job="sync", every_ms=3_600_000)
    external = Queue(name="q", served_by="external")
    task, clock, _ = start(sender, [external], schedules=[hourly])

    await asyncio.sleep(0)
    await asyncio.sleep(0)
    clock.advance(31)
    await wait_until(lambda: sender.trips)

    assert sender.trips[0] == ["list_schedules"]
    task.cancel()
    await asyncio.wait([task])
