"""taskiq: asyncio, jobs in a Redis stream, the broker of its Redis package that acknowledges.

It runs on uvloop and orjson, its extras. Parameters are not parsed with pydantic; there is no
result backend, as nobody reads results.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from taskiq import Context, SimpleRetryMiddleware, TaskiqDepends
from taskiq_redis import RedisStreamBroker

from benchmarks.marks import mark, mark_pickup
from benchmarks.serving import URL, Adapter, find_command

# From the beginning of the stream: jobs are added before the first worker starts.
broker = RedisStreamBroker(URL, queue_name="bench", consumer_id="0")
broker.add_middlewares(SimpleRetryMiddleware(default_retry_count=2))


@broker.task("noop")
async def noop(data: Any) -> None:
    mark()


@broker.task("sleep")
async def sleep(data: Any) -> None:
    await asyncio.sleep(0.01)
    mark()


@broker.task("pickup")
async def pickup(data: Any) -> None:
    mark_pickup(data["added_ns"])


@broker.task("retry", retry_on_error=True)
async def retry(data: Any, context: Annotated[Context, TaskiqDepends()]) -> None:
    mark()
    if not context.message.labels.get("_retries"):
        raise RuntimeError("the first attempt fails")


JOBS = {"noop": noop, "sleep": sleep, "pickup": pickup, "retry": retry}


class Taskiq(Adapter):
    distribution = "taskiq"
    can = frozenset({"async", "retry"})
    pace = 3_000

    async def open(self) -> None:
        await broker.startup()

    async def add(
        self, job: str, data: Any, *, delay_ms: int | None = None, priority: int | None = None
    ) -> None:
        await JOBS[job].kiq(data)

    def build_workers(self, job: str, concurrency: int, processes: int) -> list[list[str]]:
        command = [find_command("taskiq"), "worker", f"{__name__}:broker", "--no-parse"]
        command += ["--log-level", "CRITICAL", "--max-async-tasks", str(concurrency)]
        return [[*command, "--workers", str(processes)]]


ADAPTER = Taskiq()
