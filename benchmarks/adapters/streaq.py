"""streaQ: asyncio on coredis and uvloop, pickled jobs in streams.

Results are not kept, and jobs are not logged.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

from streaq import StreaqRetry, Worker

from benchmarks.marks import mark, mark_pickup
from benchmarks.serving import URL, Adapter, find_command

worker: Worker[None] = Worker(
    redis_url=URL,
    queue_name="bench",
    concurrency=int(os.environ.get("BENCH_CONCURRENCY", "1")),
    anyio_kwargs={"use_uvloop": True},
)


@worker.task(silent=True, ttl=0)
async def noop(data: Any) -> None:
    mark()


@worker.task(silent=True, ttl=0)
async def sleep(data: Any) -> None:
    await asyncio.sleep(0.01)
    mark()


@worker.task(silent=True, ttl=0)
async def pickup(data: Any) -> None:
    mark_pickup(data["added_ns"])


@worker.task(silent=True, ttl=0, max_tries=2)
async def retry(data: Any) -> None:
    mark()
    if retry.context.tries == 1:
        raise StreaqRetry(delay=timedelta(0))


JOBS = {"noop": noop, "sleep": sleep, "pickup": pickup, "retry": retry}


class Streaq(Adapter):
    distribution = "streaq"
    can = frozenset({"async", "bulk", "retry", "delay"})
    pace = 1_200

    async def open(self) -> None:
        self._opened = AsyncExitStack()
        await self._opened.enter_async_context(worker)

    async def add(
        self, job: str, data: Any, *, delay_ms: int | None = None, priority: int | None = None
    ) -> None:
        task = JOBS[job].enqueue(data)
        if delay_ms is not None:
            task.start(delay=timedelta(milliseconds=delay_ms))
        await task

    async def add_many(self, job: str, rows: Sequence[Any]) -> None:
        await worker.enqueue_many([JOBS[job].enqueue(row) for row in rows])

    def build_workers(self, job: str, concurrency: int, processes: int) -> list[list[str]]:
        command = [find_command("streaq"), "run", f"{__name__}:worker"]
        return [[*command, "--workers", str(processes)]]


ADAPTER = Streaq()
