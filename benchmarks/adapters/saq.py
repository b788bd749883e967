"""SAQ: asyncio, JSON jobs in a list, with hiredis as its extra `redis` brings it.

What it knows of finished jobs is not kept; a job may take any time, which spares a timer.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

from saq import Queue

from benchmarks.marks import mark, mark_pickup
from benchmarks.serving import URL, Adapter, find_command

NOT_KEPT = -1


async def noop(context: Any, *, data: Any) -> None:
    mark()


async def sleep(context: Any, *, data: Any) -> None:
    await asyncio.sleep(0.01)
    mark()


async def pickup(context: Any, *, data: Any) -> None:
    mark_pickup(data["added_ns"])


async def retry(context: Any, *, data: Any) -> None:
    mark()
    if context["job"].attempts == 1:
        raise RuntimeError("the first attempt fails")


queue = Queue.from_url(URL, name="bench")
settings = {
    "queue": queue,
    "functions": [noop, sleep, pickup, retry],
    "concurrency": int(os.environ.get("BENCH_CONCURRENCY", "1")),
}


class Saq(Adapter):
    distribution = "saq"
    can = frozenset({"async", "retry", "delay"})
    pace = 2_000

    async def open(self) -> None:
        await queue.connect()

    async def add(
        self, job: str, data: Any, *, delay_ms: int | None = None, priority: int | None = None
    ) -> None:
        at_s = 0 if delay_ms is None else int(time.time() + delay_ms / 1000)
        retries = 2 if job == "retry" else 1
        await queue.enqueue(
            job, data=data, scheduled=at_s, retries=retries, ttl=NOT_KEPT, timeout=0
        )

    def build_workers(self, job: str, concurrency: int, processes: int) -> list[list[str]]:
        command = [find_command("saq"), f"{__name__}.settings", "--quiet"]
        return [[*command, "--workers", str(processes)]]


ADAPTER = Saq()
