"""Tests of lua/recover.lua."""

from __future__ import annotations

from toril.declarations.job_type import KeepRule
from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.claim import Owner
from toril.runtime.calls.locks import recover
from toril.runtime.calls.settle import settle_and_claim
from toril.runtime.job import NewJob
from toril.runtime.outcomes import Completed, GivenBack

NOW = 1_790_000_000_000
OWNER = Owner("tok", 30_000)


def add(*ids: str):
    jobs = [
        NewJob(queue="orders", id=job_id, name="n", data=b"1", timestamp_ms=NOW) for job_id in ids
    ]
    return lambda keys: add_jobs(keys.prefix, jobs, now_ms=NOW)


def settle(*outcomes, claim: int = 0, owner: Owner = OWNER):
    return lambda keys: settle_and_claim(
        keys, owner=owner, outcomes=outcomes, claim=claim, now_ms=NOW
    )


def ask(doubtful: dict[str, int]):
    return lambda keys: recover(keys, "tok", doubtful)


async def test_jobs_claimed_unheard_are_found(check):
    reply = await check(
        before=[
            add("a", "b", "c"),
            settle(claim=2),
            settle(claim=1, owner=Owner("other", 30_000)),
            ("HSET", "a:processed", "P:orders:x", "7"),
        ],
        call=ask({}),
        after={"active": ["c", "b", "a"], "a:lock": "tok", "b:lock": "tok", "c:lock": "other"},
        events=[],
    )

    assert [(job.id, job.attempts_started, job.data) for job in reply.active] == [
        ("a", 1, 1),
        ("b", 1, 1),
    ]
    assert list(reply.active[0].children_results.values()) == [7]
    assert reply.settled == set()


async def test_a_settlement_that_arrived_is_told_from_one_that_did_not(check):
    reply = await check(
        before=[add("a", "b"), settle(claim=2), settle(Completed("a", b"1", KeepRule()))],
        call=ask({"a": 1, "b": 1}),
    )

    assert reply.settled == {"a"}
    assert [job.id for job in reply.active] == ["b"]


async def test_a_job_started_anew_is_settled_and_active(check):
    reply = await check(
        before=[add("a"), settle(claim=1), settle(GivenBack("a"), claim=1)], call=ask({"a": 1})
    )

    assert reply.settled == {"a"}
    assert [(job.id, job.attempts_started) for job in reply.active] == [("a", 2)]


async def test_a_job_without_a_lock_is_still_its_own_until_somebody_starts_it(check):
    reply = await check(before=[add("a"), settle(claim=1), ("DEL", "a:lock")], call=ask({"a": 1}))

    assert reply.settled == set()
    assert [job.id for job in reply.active] == ["a"]


async def test_a_job_of_another_owner_is_lost(check):
    reply = await check(
        before=[add("a"), settle(claim=1), ("SET", "a:lock", "other")], call=ask({"a": 1})
    )

    assert (reply.active, reply.settled) == ([], {"a"})


async def test_an_id_without_a_hash_is_no_job(check):
    reply = await check(
        before=[add("a"), settle(claim=1), ("DEL", "a")],
        call=ask({"a": 1}),
        after={"active": ["a"], "a:lock": "tok", "a": None},
    )

    assert (reply.active, reply.settled) == ([], {"a"})
