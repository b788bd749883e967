"""Tests of lua/renew_locks.lua."""

from __future__ import annotations

import pytest

from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.claim import Owner
from toril.runtime.calls.locks import renew_locks
from toril.runtime.calls.settle import settle_and_claim
from toril.runtime.job import NewJob

NOW = 1_790_000_000_000


def add(*ids: str):
    jobs = [
        NewJob(queue="orders", id=job_id, name="sync", data=b"{}", timestamp_ms=NOW)
        for job_id in ids
    ]
    return lambda keys: add_jobs(keys.prefix, jobs, now_ms=NOW)


def claim(count: int, token: str = "tok"):
    owner = Owner(token, 30_000)
    return lambda keys: settle_and_claim(keys, owner=owner, claim=count, now_ms=NOW)


def renew(*tokens: str, lock_ms: int = 90_000):
    return lambda keys: renew_locks([keys], tokens, lock_ms)


CASES = {
    "each token's jobs are told apart": {
        "before": [add("a", "b", "c"), claim(2, "one"), claim(1, "two")],
        "call": renew("one", "two", "none"),
        "reply": {"orders": {"one": ["b", "a"], "two": ["c"], "none": []}},
        "after": {
            "active": ["c", "b", "a"],
            "a:lock": "one",
            "b:lock": "one",
            "c:lock": "two",
        },
    },
    "the jobs of others are left alone": {
        "before": [add("a"), claim(1, "other"), ("DEL", "a:lock")],
        "call": renew("tok"),
        "reply": {},
        "after": {"active": ["a"]},
    },
    "a lock that ran out is taken again": {
        "before": [add("a"), claim(1), ("DEL", "a:lock")],
        "call": renew("tok"),
        "reply": {"orders": {"tok": ["a"]}},
        "after": {"active": ["a"], "a:lock": "tok"},
    },
    "not when somebody started the job since": {
        "before": [add("a"), claim(1), ("DEL", "a:lock"), ("HINCRBY", "a", "ats", 1)],
        "call": renew("tok"),
        "reply": {},
        "after": {"active": ["a"]},
    },
    "not when another token holds the lock": {
        "before": [add("a"), claim(1), ("SET", "a:lock", "other")],
        "call": renew("tok"),
        "reply": {},
        "after": {"active": ["a"], "a:lock": "other"},
    },
    "not when the job is active no more": {
        "before": [add("a"), claim(1), ("DEL", "active")],
        "call": renew("tok"),
        "reply": {},
        "after": {"a:lock": "tok"},
    },
    "a job that is renewed is no suspect": {
        "before": [add("a"), claim(1), ("SADD", "stalled", "a", "x")],
        "call": renew("tok"),
        "after": {"active": ["a"], "a:lock": "tok", "stalled": {"x"}},
        "events": [],
    },
    "an empty queue has nothing to renew": {
        "call": renew("tok"),
        "reply": {},
        "after": {},
    },
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_renew_locks(case, check):
    await check(**case)


async def test_a_renewed_lock_lasts_as_long_as_asked(check, redis, keys):
    await check(before=[add("a"), claim(1)], call=renew("tok", lock_ms=90_000))

    assert 80_000 < await redis.pttl(keys.lock("a")) <= 90_000


async def test_thousands_of_locks_are_renewed(check):
    many = [f"j{n}" for n in range(2_500)]

    renewed = await check(
        before=[add(*many), claim(1_000), claim(1_000), claim(1_000)], call=renew("tok")
    )

    assert sorted(renewed["orders"]["tok"]) == sorted(many)


async def test_locks_of_several_queues_are_renewed_in_one_call(sender, redis, keys):
    queues = [keys.of(name) for name in ("idle", "orders", "mails")]
    for place in queues[1:]:
        job = NewJob(queue=place.queue, id="a", name="sync", data=b"{}", timestamp_ms=NOW)
        await sender.send(add_jobs(keys.prefix, [job], now_ms=NOW))
        owner = Owner("tok", 30_000)
        await sender.send(settle_and_claim(place, owner=owner, claim=1, now_ms=NOW))

    renewed = await sender.send(renew_locks(queues, ["tok"], 90_000))

    assert renewed == {"orders": {"tok": ["a"]}, "mails": {"tok": ["a"]}}
    assert await redis.pttl(queues[2].lock("a")) > 80_000
