"""What the first users' processors do, against an exchange that is played."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from toril import Job, RateLimited, hookimpl, processor, source

ROOT = Path(__file__).parent
running = 0


class AuthenticationError(Exception):
    """The key is wrong, and stays so."""


class NetworkError(Exception):
    """The exchange cannot be reached now."""


@processor("trading.sync")
async def sync(job: Job) -> dict[str, Any]:
    """Syncs the orders of one user, and says how many such jobs ran with it."""
    global running
    running += 1
    try:
        await asyncio.sleep(0.05)
        beside = running
    finally:
        running -= 1
    if job.data["userId"] == "flaky" and job.attempt == 1:
        raise NetworkError("try again")
    await job.log(f"synced {job.data['userId']} from {job.data['exchangeId']}")
    await job.progress(100)
    return {"synced": 12, "beside": beside}


@processor("trading.bulk_sync")
async def bulk_sync(job: Job) -> dict[str, Any]:
    users = job.data["users"]
    for done, _ in enumerate(users, start=1):
        await job.progress(100 * done // len(users))
    return {"users": len(users)}


@processor("trading.fetch")
async def fetch(job: Job) -> dict[str, Any]:
    return {"rows": [f"{job.data['what']} of {job.data['user']}"]}


@processor("trading.aggregate")
async def aggregate(job: Job) -> dict[str, Any]:
    return {"rows": job.data["rows"], "steps": sorted(job.results)}


@processor("trading.update_all")
async def update_all(job: Job) -> None:
    note("updated all prices")


@processor("trading.cleanup")
async def cleanup(job: Job) -> None:
    note(f"cleaned up what is older than {job.data['olderThanDays']} days")


@processor("trading.remind")
async def remind(job: Job) -> None:
    note(f"reminded {job.data.get('who')}")


@processor("trading.call_exchange")
async def call_exchange(job: Job) -> dict[str, int]:
    errors = {
        "limit": RateLimited("50ms"),
        "key": AuthenticationError("the key is wrong"),
        "network": NetworkError("no route"),
        "unknown": KeyError("what is this"),
    }
    if job.data["answer"] in errors and job.fence == 1:
        raise errors[job.data["answer"]]
    return {"attempt": job.attempt}


@processor("trading.alert")
async def alert(job: Job) -> None:
    letter = job.data
    note(
        f"alert: {letter['job']} {letter['id']} of {letter['queue']}: {letter['error']['message']}"
    )


@processor("trading.wait")
async def wait(job: Job) -> None:
    await asyncio.sleep(60)


@processor("trading.charge")
async def charge(job: Job) -> str:
    """Fails after the charge, which must not be made twice."""
    receipt: str = await job.step("charge", lambda: note("charged") or "receipt 1")
    if job.attempt == 1:
        raise NetworkError("after the charge")
    return receipt


@source("trading.users_with_exchange")
def users_with_exchange() -> list[dict[str, Any]]:
    return [
        {"id": "ada", "exchange": "kraken", "premium": True},
        {"id": "bob", "exchange": "gemini", "premium": False},
    ]


@hookimpl
def toril_processors() -> list[object]:
    own = [sync, bulk_sync, fetch, aggregate, update_all, cleanup, remind, call_exchange]
    return [*own, alert, wait, charge]


@hookimpl
def toril_sources() -> list[object]:
    return [users_with_exchange]


@hookimpl
def toril_job_started(job_id: str) -> None:
    note(f"{job_id} is active")


@hookimpl
def toril_job_completed(job_id: str, result: Any) -> None:
    note(f"{job_id} completed with {result}")


@hookimpl
def toril_job_failed(job_id: str, error: str) -> None:
    note(f"{job_id} failed: {error}")


def note(line: str) -> None:
    with (ROOT / "notes.txt").open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
