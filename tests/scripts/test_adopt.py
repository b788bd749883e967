"""Tests of lua/adopt.lua."""

from __future__ import annotations

from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.claim import Owner
from toril.runtime.calls.locks import adopt
from toril.runtime.calls.settle import settle_and_claim
from toril.runtime.job import NewJob

NOW = 1_790_000_000_000
NEW = Owner("new", 30_000, "w2")


def add(*ids: str):
    jobs = [
        NewJob(queue="orders", id=job_id, name="n", data=b"1", timestamp_ms=NOW) for job_id in ids
    ]
    return lambda keys: add_jobs(keys.prefix, jobs, now_ms=NOW)


def claim(count: int, token: str = "old"):
    owner = Owner(token, 30_000)
    return lambda keys: settle_and_claim(keys, owner=owner, claim=count, now_ms=NOW)


def take_over(keys):
    return adopt(keys, from_token="old", owner=NEW, now_ms=NOW + 9)


async def test_the_new_owner_starts_the_jobs_of_the_old_one(check):
    jobs = await check(
        before=[add("a", "b", "c"), claim(2), claim(1, "other"), ("DEL", "b:lock")],
        call=take_over,
        after={
            "active": ["c", "b", "a"],
            "a:lock": "new",
            "b:lock": "new",
            "c:lock": "other",
            "a": {"ats": "2", "t:o": "new#2", "pb": "w2", "processedOn": str(NOW + 9)},
        },
        events=["active jobId=b prev=waiting", "active jobId=a prev=waiting"],
    )

    assert [(job.id, job.attempts_started) for job in jobs] == [("a", 2), ("b", 2)]


async def test_results_of_children_come_along(check):
    (job,) = await check(
        before=[add("a"), claim(1), ("HSET", "a:processed", "P:orders:c", "7")], call=take_over
    )

    assert list(job.children_results.values()) == [7]


async def test_a_suspect_is_cleared(check):
    await check(
        before=[add("a"), claim(1), ("SADD", "stalled", "a")],
        call=take_over,
        after={"active": ["a"], "a:lock": "new", "stalled": None},
    )


async def test_there_may_be_nothing_to_take_over(check):
    await check(before=[add("a")], call=take_over, reply=[], after={"wait": ["a"]}, events=[])
