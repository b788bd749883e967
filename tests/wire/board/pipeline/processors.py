"""What the shop's jobs do."""

from __future__ import annotations

import asyncio
from typing import Any

from toril import Job, hookimpl, processor


@processor("shop.sync_orders")
async def sync_orders(job: Job) -> dict[str, int]:
    """Tells page by page how far it is; some have left."""
    if job.data["user"] == "gone":
        raise LookupError("no user 'gone' any more")
    for page in range(1, 5):
        await job.progress(25 * page)
        await job.log(f"page {page} of 4")
    return {"synced": 120}


@processor("shop.rebuild_index")
async def rebuild_index(job: Job) -> None:
    """Holds its slot until the runner stops."""
    await job.progress(40)
    await job.log("shard 2 of 5")
    await asyncio.sleep(3600)


@processor("shop.fetch")
async def fetch(job: Job) -> dict[str, int]:
    """Finds as many rows as the job's name has letters."""
    await job.log(f"GET /{job.name}?day={job.data['day']}")
    return {"rows": len(job.name)}


@processor("shop.aggregate")
async def aggregate(job: Job) -> dict[str, int]:
    """Gives back what its step was given of the steps before."""
    await job.log(f"{job.data['rows']} rows")
    return {"rows": job.data["rows"]}


@processor("shop.send_mail")
async def send_mail(job: Job) -> str:
    """Mails to nobody bounce at the first start."""
    await job.log("250 queued")
    if job.data["to"] == "nobody" and job.fence == 1:
        raise ConnectionError("550 no such mailbox")
    return f"sent to {job.data['to']}"


@hookimpl
def toril_processors() -> list[Any]:
    return [sync_orders, rebuild_index, fetch, aggregate, send_mail]
