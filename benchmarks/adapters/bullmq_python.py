"""BullMQ for Python: asyncio, the scripts of BullMQ for Node.

What is kept is said to the worker, as in `node/worker.mjs`. The package brings no command for it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from typing import Any

from bullmq import FlowProducer, Job, Queue, Worker

from benchmarks.marks import mark, mark_pickup
from benchmarks.serving import DATA, URL, Adapter

KEEP = {"removeOnComplete": {"count": 1_000}, "removeOnFail": {"count": 10_000}}
RETRY = {"retry": {"attempts": 2}}


async def run_job(job: Job, token: str) -> None:
    match job.name:
        case "sleep":
            await asyncio.sleep(0.01)
        case "pickup":
            return mark_pickup(job.data["added_ns"])
        case "retry":
            mark()
            if job.attemptsMade == 0:
                raise RuntimeError("the first attempt fails")
            return None
        case "child":
            return None
    return mark()


class BullmqPython(Adapter):
    distribution = "bullmq"
    can = frozenset({"async", "bulk", "retry", "delay", "priority", "flow"})
    pace = 1_700

    async def open(self) -> None:
        self._queue = Queue("bench", {"connection": URL})
        self._flows = FlowProducer({"connection": URL})

    async def add(
        self, job: str, data: Any, *, delay_ms: int | None = None, priority: int | None = None
    ) -> None:
        options = {"delay": delay_ms, "priority": priority}
        given = {name: value for name, value in options.items() if value is not None}
        await self._queue.add(job, data, {**RETRY.get(job, {}), **given})

    async def add_many(self, job: str, rows: Sequence[Any]) -> None:
        options = RETRY.get(job, {})
        await self._queue.addBulk([{"name": job, "data": row, "opts": options} for row in rows])

    async def start_flow(self, children: int, *, declared: bool = False) -> None:
        shared = {"queueName": "bench", "data": DATA}
        child = {"name": "child", **shared}
        await self._flows.add({"name": "parent", **shared, "children": [child] * children})

    def build_workers(self, job: str, concurrency: int, processes: int) -> list[list[str]]:
        return [[sys.executable, "-c", f"from {__name__} import work; work()"]] * processes


def work() -> None:
    """Runs a worker until the process is killed."""

    async def keep() -> None:
        concurrency = int(os.environ["BENCH_CONCURRENCY"])
        Worker("bench", run_job, {"connection": URL, "concurrency": concurrency, **KEEP})
        await asyncio.Event().wait()

    asyncio.run(keep())


ADAPTER = BullmqPython()
