"""arq: asyncio, pickled jobs in a sorted set that the worker polls.

`poll_delay` is 10 ms instead of half a second, at which it would run 250 jobs/s; results are not
kept, as nobody reads them.
"""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from typing import Any

import arq
from arq.connections import ArqRedis, RedisSettings

from benchmarks.marks import mark, mark_pickup
from benchmarks.serving import URL, Adapter, find_command

REDIS = RedisSettings.from_dsn(URL)


async def noop(context: Any, data: Any) -> None:
    mark()


async def sleep(context: Any, data: Any) -> None:
    await asyncio.sleep(0.01)
    mark()


async def pickup(context: Any, data: Any) -> None:
    mark_pickup(data["added_ns"])


async def retry(context: Any, data: Any) -> None:
    mark()
    if context["job_try"] == 1:
        raise arq.Retry(defer=0)


class WorkerSettings:
    functions = [noop, sleep, pickup, retry]
    redis_settings = REDIS
    max_jobs = int(os.environ.get("BENCH_CONCURRENCY", "1"))
    poll_delay = 0.01
    keep_result = 0


class Arq(Adapter):
    distribution = "arq"
    can = frozenset({"async", "retry", "delay"})
    pace = 1_500
    _redis: ArqRedis

    async def open(self) -> None:
        self._redis = await arq.create_pool(REDIS)

    async def add(
        self, job: str, data: Any, *, delay_ms: int | None = None, priority: int | None = None
    ) -> None:
        defer_by = None if delay_ms is None else timedelta(milliseconds=delay_ms)
        await self._redis.enqueue_job(job, data, _defer_by=defer_by)

    def build_workers(self, job: str, concurrency: int, processes: int) -> list[list[str]]:
        return [[find_command("arq"), f"{__name__}.WorkerSettings"]] * processes


ADAPTER = Arq()
