"""What Toril's jobs run in the benchmarks."""

from __future__ import annotations

import asyncio

from benchmarks.marks import mark, mark_pickup

from toril import Job, ThreadJob, hookimpl, processor


@processor("bench.noop")
async def noop(job: Job) -> None:
    """Counts itself."""
    mark()


@processor("bench.noop_plain")
def noop_plain(job: ThreadJob) -> None:
    """Counts itself, as a plain function: in a thread, or in a process."""
    mark()


@processor("bench.nothing")
async def nothing(job: Job) -> None:
    """Does not even count: a child, whose parent does."""


@processor("bench.sleep")
async def sleep(job: Job) -> None:
    """Waits as long as an answer from a network would take."""
    await asyncio.sleep(0.01)
    mark()


@processor("bench.pickup")
async def pickup(job: Job) -> None:
    """Notes how long it was on its way."""
    mark_pickup(job.data["added_ns"])


@processor("bench.retry")
async def retry(job: Job) -> None:
    """Fails at the first attempt."""
    mark()
    if job.attempt == 1:
        raise RuntimeError("the first attempt fails")


@hookimpl
def toril_processors() -> list[object]:
    """Brings them all."""
    return [noop, noop_plain, nothing, sleep, pickup, retry]
