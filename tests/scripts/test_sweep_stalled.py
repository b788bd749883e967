"""Tests of lua/sweep_stalled.lua."""

from __future__ import annotations

import pytest

from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.claim import Owner
from toril.runtime.calls.locks import Swept, renew_locks, sweep_stalled
from toril.runtime.calls.settle import settle_and_claim
from toril.runtime.job import NewJob

NOW = 1_790_000_000_000


def add(*ids: str, priority: int = 0):
    jobs = [
        NewJob(queue="orders", id=job_id, name="n", data=b"1", timestamp_ms=NOW, priority=priority)
        for job_id in ids
    ]
    return lambda keys: add_jobs(keys.prefix, jobs, now_ms=NOW)


def claim(count: int):
    owner = Owner("tok", 30_000)
    return lambda keys: settle_and_claim(keys, owner=owner, claim=count, now_ms=NOW)


def sweep(limit: int = 1):
    return lambda keys: sweep_stalled(keys, now_ms=NOW, every_ms=30_000, limit=limit)


#: The owner of `a` died, and a sweep has seen it once.
STALLED = [add("a"), claim(1), ("DEL", "a:lock"), ("SADD", "stalled", "a")]

CASES = {
    "active jobs without a lock become suspects at first": {
        "before": [add("a", "b", "c"), claim(3), ("DEL", "a:lock"), ("DEL", "b:lock")],
        "call": sweep(),
        "reply": Swept([], []),
        "after": {
            "active": ["c", "b", "a"],
            "a:lock": None,
            "c:lock": "tok",
            "stalled": {"a", "b"},
            "stalled-check": str(NOW),
        },
        "events": [],
    },
    "a suspect without a lock runs next": {
        "before": [*STALLED, add("b")],
        "call": sweep(),
        "reply": Swept(["a"], []),
        "after": {
            "wait": ["b", "a"],
            "a": {"stc": "1", "defa": None, "ats": "1", "atm": None},
            "stalled": None,
            "marker": {"0": 0},
        },
        "events": ["waiting jobId=a prev=active", "stalled jobId=a"],
    },
    "a suspect with a lock stays": {
        "before": [add("a"), claim(1), ("SADD", "stalled", "a")],
        "call": sweep(),
        "after": {"active": ["a"], "a:lock": "tok", "stalled": None},
    },
    "a suspect that is active no more is cleared": {
        "before": [("SADD", "stalled", "x")],
        "call": sweep(),
        "reply": Swept([], []),
        "after": {"stalled": None},
        "events": [],
    },
    "an id without a hash is dropped": {
        "before": [*STALLED, ("DEL", "a")],
        "call": sweep(),
        "reply": Swept([], []),
        "after": {"a": None},
    },
    "over the limit a job is to be failed": {
        "before": [*STALLED, ("HSET", "a", "stc", 1)],
        "call": sweep(limit=1),
        "reply": Swept([], ["a"]),
        "after": {
            "wait": ["a"],
            "a": {"stc": "2", "defa": "job stalled more than allowable limit"},
        },
    },
    "a job with a priority runs next too": {
        "before": [add("a", priority=5), claim(1), ("DEL", "a:lock"), ("SADD", "stalled", "a")],
        "call": sweep(),
        "after": {"wait": ["a"]},
    },
    "a paused queue wakes nobody": {
        "before": [*STALLED, ("DEL", "marker"), ("HSET", "meta", "paused", "1")],
        "call": sweep(),
        "after": {"wait": ["a"], "marker": None},
    },
    "a second sweep within the interval does nothing": {
        "before": [*STALLED, ("SET", "stalled-check", "1", "PX", 60_000)],
        "call": sweep(),
        "reply": Swept([], []),
        "after": {"active": ["a"], "stalled": {"a"}, "stalled-check": "1"},
    },
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_sweep_stalled(case, check):
    await check(**case)


async def test_the_interval_ends_by_itself(check, redis, keys):
    await check(call=sweep())

    assert 29_000 < await redis.pttl(keys.stalled_check) <= 30_000


async def test_thousands_of_suspects_fit_one_call(check, redis, keys):
    many = [f"j{n}" for n in range(2_500)]

    await check(
        before=[
            add(*many),
            claim(1_000),
            claim(1_000),
            claim(500),
            *[("DEL", f"{n}:lock") for n in many],
            sweep(),
            ("DEL", "stalled-check"),
        ],
        call=sweep(),
    )

    assert await redis.llen(keys.wait) == 2_500


async def test_a_renewal_that_comes_late_clears_the_suspicion(check, redis, keys):
    await check(
        before=[
            add("a"),
            claim(1),
            ("DEL", "a:lock"),
            sweep(),
            lambda keys: renew_locks([keys], ["tok"], 30_000),
            ("DEL", "a:lock"),
            ("DEL", "stalled-check"),
        ],
        call=sweep(),
        reply=Swept([], []),
    )

    assert await redis.lrange(keys.active, 0, -1) == [b"a"]
