"""Tests of lua/settle_and_claim.lua: the rate that a worker brings, beside its queue's own."""

from __future__ import annotations

import pytest

from toril.declarations.units import Rate
from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.claim import Owner
from toril.runtime.calls.settle import settle_and_claim
from toril.runtime.job import NewJob

NOW = 1_790_000_000_000


def add(count: int):
    jobs = [
        NewJob(id=f"j{n}", queue="orders", name="sync", data=b"{}", timestamp_ms=NOW)
        for n in range(count)
    ]
    return lambda keys: add_jobs(keys.prefix, jobs, now_ms=NOW)


def claim(count: int, rate: Rate | None):
    owner = Owner("tok", 30_000, "w1", rate)
    return lambda keys: settle_and_claim(keys, owner=owner, claim=count, now_ms=NOW)


OWN = ("max", "1", "duration", "9000")
MINUTE = 60_000

#: What the queue says, the worker's rate; how many start, in a window of so long.
CASES = {
    "the worker's alone": ((), Rate(2, MINUTE), 2, MINUTE),
    "the queue's maximum goes before, its time behind": (OWN, Rate(3, MINUTE), 1, MINUTE),
    "a queue's maximum without a time takes the worker's": (OWN[:2], Rate(3, MINUTE), 1, MINUTE),
    "a queue's time without a maximum limits nothing": (OWN[2:], Rate(2, MINUTE), 2, MINUTE),
    "the queue's alone": (OWN, None, 1, 9_000),
}


@pytest.mark.parametrize(("meta", "rate", "starts", "window_ms"), CASES.values(), ids=CASES)
async def test_the_rate_of_a_worker(check, redis, keys, meta, rate, starts, window_ms):
    before = [add(4), *([("HSET", "meta", *meta)] if meta else [])]

    reply = await check(before=before, call=claim(4, rate))

    assert len(reply.jobs) == starts
    assert window_ms - 1_000 < reply.rate_limit_ms <= window_ms
    assert await redis.get(keys.limiter) == str(starts).encode()


async def test_a_used_up_rate_of_a_worker_claims_nothing(check):
    rate = Rate(2, 60_000)

    reply = await check(before=[add(4), claim(2, rate)], call=claim(2, rate))

    assert reply.jobs == []
    assert 59_000 < reply.rate_limit_ms <= 60_000
