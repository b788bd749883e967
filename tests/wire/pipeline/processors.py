"""What the wire tests' jobs do on the Toril side."""

from __future__ import annotations

import asyncio
from typing import Any

from toril import Job, Unrecoverable, WaitForChildren, hookimpl, processor


@processor("wire.echo")
async def echo(job: Job) -> dict[str, Any]:
    """Gives back what it got, and tells how far it is."""
    await job.progress(40)
    await job.log(f"{job.name} on {job.queue}")
    return {"got": job.data, "attempt": job.attempt}


@processor("wire.flaky")
async def flaky(job: Job) -> int:
    """Works at the third attempt."""
    if job.attempt < 3:
        raise ConnectionError(f"attempt {job.attempt} found nobody")
    return job.attempt


@processor("wire.refused")
async def refused(job: Job) -> None:
    """Never works."""
    raise Unrecoverable("no such account")


@processor("wire.total")
async def total(job: Job) -> Any:
    """Adds up the numbers it was given, or its children's results."""
    return sum(job.data.get("numbers") or job.results.values())


@processor("wire.family")
async def family(job: Job) -> Any:
    """Gives its children's results, and why those failed that it goes on without."""
    ignored = await job.ignored_failures()
    if ignored:
        await job.remove_pending_children()
    return [job.results, ignored]


@processor("wire.asks")
async def asks(job: Job) -> Any:
    """Adds a child in another queue and gives what came of it."""
    if not job.results:
        await job.add_child("node-echo", job.data, id=f"{job.id}-child")
        raise WaitForChildren
    return list(job.results.values())


@processor("wire.slow")
async def slow(job: Job) -> str:
    """Takes as long as it is told."""
    await asyncio.sleep(job.data["seconds"])
    return "done"


@hookimpl
def toril_processors() -> list[Any]:
    return [echo, flaky, refused, total, family, asks, slow]
