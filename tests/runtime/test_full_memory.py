"""Tests of adding, settling and removing on a server whose memory is full."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from toril.declarations.job_type import KeepRule
from toril.errors import RedisOutOfMemory
from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.claim import Owner
from toril.runtime.calls.settle import settle_and_claim
from toril.runtime.job import NewJob
from toril.runtime.outcomes import Completed
from toril.runtime.removal import clean, drain, obliterate
from toril.runtime.states import JobState
from toril.runtime.steps import walk

NOW = 1_790_000_000_000
OWNER = Owner("tok", 30_000)


def add(keys, *ids: str):
    jobs = [
        NewJob(queue="orders", id=one, name="sync", data=b"{}", timestamp_ms=NOW) for one in ids
    ]
    return add_jobs(keys.prefix, jobs, now_ms=NOW)


@pytest.fixture
async def fill_memory(redis) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Gives a function that sets the server's limit below what it holds."""

    async def fill() -> None:
        await redis.config_set("maxmemory", 1)

    yield fill
    await redis.config_set("maxmemory", 0)


async def test_nothing_is_stored_and_the_error_says_why(sender, redis, keys, fill_memory) -> None:
    await fill_memory()

    with pytest.raises(RedisOutOfMemory, match="is out of memory and stores nothing more"):
        await sender.send(add(keys, "a"))
    assert await redis.keys(f"{keys.prefix}:*") == []


async def test_running_jobs_finish_and_waiting_ones_start(sender, redis, keys, fill_memory) -> None:
    await sender.send(add(keys, "a", "b"))
    await sender.send(settle_and_claim(keys, owner=OWNER, claim=1, now_ms=NOW))
    await fill_memory()

    done = Completed("a", b"1", KeepRule())
    reply = await sender.send(
        settle_and_claim(keys, owner=OWNER, outcomes=[done], claim=1, now_ms=NOW)
    )

    assert reply.codes == [0]
    assert [job.id for job in reply.jobs] == ["b"]
    assert await redis.zscore(keys.completed, "a") == NOW


async def test_what_fills_the_memory_can_be_removed(sender, redis, keys, fill_memory) -> None:
    await sender.send(add(keys, *(f"j{n}" for n in range(4))))
    await sender.send(settle_and_claim(keys, owner=OWNER, claim=1, now_ms=NOW))
    done = Completed("j0", b"1", KeepRule())
    await sender.send(settle_and_claim(keys, owner=OWNER, outcomes=[done], now_ms=NOW))
    await fill_memory()

    assert await walk(clean(keys, JobState.COMPLETED, latest_ms=NOW), sender.send) == ["j0"]
    assert await walk(clean(keys, JobState.WAITING, latest_ms=NOW, limit=1), sender.send) == ["j1"]
    assert await walk(drain(keys), sender.send) == 2
    assert await walk(obliterate(keys), sender.send) == 0
    assert await redis.keys(f"{keys.prefix}:*") == []
