"""Tests of lua/settle_and_claim.lua: what a claim takes, and what holds it back."""

from __future__ import annotations

import pytest
from tests.scripts.settling import (
    ACTIVE,
    MANUAL_LIMIT,
    NOW,
    RUNNING,
    add,
    claim,
    due,
    job,
    settle,
)

from toril.runtime.calls.claim import Owner
from toril.runtime.outcomes import (
    GivenBack,
)

CLAIMS = {
    "the job next in line becomes the owner's": {
        "before": [add("a", "b")],
        "call": claim(1),
        "after": {
            "wait": ["b"],
            "active": ["a"],
            "a:lock": "tok",
            "a": {
                "processedOn": str(NOW),
                "ats": "1",
                "t:o": "tok#1",
                "pb": "w1",
                "atm": None,
            },
            "marker": {"0": 0},
        },
        "events": ["active jobId=a prev=waiting"],
    },
    "a worker without a name signs nothing": {
        "before": [add("a")],
        "call": claim(1, owner=Owner("tok", 1_000)),
        "after": {**ACTIVE, "a": {"pb": None, "t:o": "tok#1"}},
    },
    "many are claimed in order, those without a priority first": {
        "before": [add(job("p2", priority=2), job("p1", priority=1), "a", "b")],
        "call": claim(10),
        "after": {
            "active": ["p2", "p1", "b", "a"],
            **{f"{name}:lock": "tok" for name in ("a", "b", "p1", "p2")},
            "pc": None,
        },
        "events": [f"active jobId={name} prev=waiting" for name in ("a", "b", "p1", "p2")],
    },
    "due jobs are promoted first": {
        "before": [add(job("d", delay_ms=100), job("p", delay_ms=100, priority=5), "a")],
        "call": claim(2, now_ms=NOW + 100),
        "after": {
            "active": ["d", "a"],
            "a:lock": "tok",
            "d:lock": "tok",
            "prioritized": {"p": 5 * 2**32 + 1},
            "d": {"delay": "0"},
            "p": {"delay": "0"},
        },
        "events": [
            "waiting jobId=d prev=delayed",
            "waiting jobId=p prev=delayed",
            "active jobId=a prev=waiting",
            "active jobId=d prev=waiting",
        ],
    },
    "a delayed id without a hash is dropped": {
        "before": [("ZADD", "delayed", due(0), "ghost")],
        "call": claim(1),
        "after": {"ghost": None},
        "events": [],
    },
    "an id without a hash is dropped, and so is a marker of old versions": {
        "before": [add("a"), ("RPUSH", "wait", "ghost", "0:123")],
        "call": claim(2),
        "after": {**ACTIVE, "ghost": None},
        "events": ["active jobId=a prev=waiting"],
    },
    "what is no hash is no job": {
        "before": [
            add("a"),
            ("RPUSH", "wait", "text"),
            ("ZADD", "delayed", due(0), "text"),
            ("SET", "text", "not a hash"),
        ],
        "call": claim(3),
        "after": {**ACTIVE, "text": "not a hash"},
        "events": ["active jobId=a prev=waiting"],
    },
    "a paused queue gives nothing but promotes what is due": {
        "before": [add("a", job("d", delay_ms=1)), ("HSET", "meta", "paused", "1")],
        "call": claim(2, now_ms=NOW + 1),
        "after": {"wait": ["d", "a"]},
        "events": ["waiting jobId=d prev=delayed"],
    },
    "no more become active than the queue allows": {
        "before": [
            add("a", "b", "c"),
            ("HSET", "meta", "concurrency", "2"),
            ("LPUSH", "active", "x"),
        ],
        "call": claim(3),
        "after": {"wait": ["c", "b"], "active": ["a", "x"], "a:lock": "tok"},
    },
    "a queue over its concurrency gives nothing": {
        "before": [add("a"), ("HSET", "meta", "concurrency", "1"), ("LPUSH", "active", "x", "y")],
        "call": claim(3),
        "after": {"wait": ["a"], "active": ["y", "x"]},
    },
    "a job that must fail is handed out with its reason": {
        "before": [add("a"), ("HSET", "a", "defa", "child x failed")],
        "call": claim(1),
        "after": {**ACTIVE, "a": {"defa": "child x failed"}},
    },
    "no token is left when no work is": {
        "before": [add("a"), ("DEL", "marker")],
        "call": claim(1),
        "after": {**ACTIVE, "marker": None},
    },
    "a token is put back while there is work, even on a full queue": {
        "before": [add("a", "b"), ("DEL", "marker"), ("HSET", "meta", "concurrency", "1")],
        "call": claim(1),
        "after": {**ACTIVE, "wait": ["b"], "marker": {"0": 0}},
    },
}


@pytest.mark.parametrize("case", CLAIMS.values(), ids=CLAIMS)
async def test_claim(case, check):
    await check(**case)


async def test_a_claimed_job_is_whole(check):
    full = job("a", data=b'{"n":[1,2]}', opts={"attempts": 3}, own={"t:f": "daily"}, priority=2)

    reply = await check(before=[add(full)], call=claim(1, now_ms=NOW + 7))

    (got,) = reply.jobs
    assert (got.id, got.queue, got.name, got.data) == ("a", "orders", "sync", {"n": [1, 2]})
    assert got.opts == {"attempts": 3, "jobId": "a", "priority": 2}
    assert (got.timestamp_ms, got.processed_on_ms, got.processed_by) == (NOW, NOW + 7, "w1")
    assert (got.attempts_started, got.attempts_made, got.priority) == (1, 0, 2)
    assert got.own == {"t:f": "daily", "t:o": "tok#1"}
    assert got.children_results == {}


async def test_a_later_start_says_so(check):
    again = settle(GivenBack("a"), claim=1)

    reply = await check(before=RUNNING, call=again)

    assert reply.jobs[0].attempts_started == 2
    assert reply.jobs[0].own["t:o"] == "tok#2"


async def test_a_worker_with_free_slots_is_told_when_the_next_job_is_due(check):
    reply = await check(before=[add(job("d", delay_ms=900), "a")], call=claim(2))

    assert reply.next_due_ms == NOW + 900


async def test_a_worker_without_free_slots_is_not(check):
    reply = await check(before=[add(job("d", delay_ms=900), "a")], call=claim(1))

    assert reply.next_due_ms is None


async def test_a_claim_on_an_empty_queue_gives_nothing(check):
    reply = await check(call=claim(5), after={}, events=[])

    assert (reply.codes, reply.jobs, reply.rate_limit_ms, reply.next_due_ms) == ([], [], 0, None)


RATE = ("HSET", "meta", "max", "2", "duration", "60000")


async def test_no_more_start_than_the_rate_allows(check, redis, keys):
    reply = await check(before=[RATE, add("a", "b", "c")], call=claim(3))

    assert [job.id for job in reply.jobs] == ["a", "b"]
    assert 59_000 < reply.rate_limit_ms <= 60_000
    assert 59_000 < await redis.pttl(keys.limiter) <= 60_000


async def test_a_used_up_rate_says_how_long_it_lasts(check):
    reply = await check(before=[RATE, add("a", "b", "c"), claim(2)], call=claim(1))

    assert reply.jobs == []
    assert 59_000 < reply.rate_limit_ms <= 60_000


async def test_what_the_rate_leaves_is_claimed_later(check):
    reply = await check(before=[RATE, add("a", "b", "c"), claim(1)], call=claim(5))

    assert [job.id for job in reply.jobs] == ["b"]


async def test_a_job_that_must_fail_uses_no_rate(check):
    doomed = ("HSET", "a", "defa", "child x failed")

    await check(
        before=[RATE, add("a", "b"), doomed],
        call=claim(2),
        after={"active": ["b", "a"], "a:lock": "tok", "b:lock": "tok", "limiter": "1"},
    )


async def test_a_limit_set_by_hand_binds_without_a_rate(check):
    hand = ("SET", "limiter", str(MANUAL_LIMIT), "PX", 60_000)

    reply = await check(before=[add("a"), hand], call=claim(1), after={"wait": ["a"]})

    assert 59_000 < reply.rate_limit_ms <= 60_000


async def test_a_limiter_that_would_never_end_is_taken_away(check):
    stuck = ("SET", "limiter", "99")

    reply = await check(before=[RATE, add("a"), stuck], call=claim(1), after={**ACTIVE})

    assert (len(reply.jobs), reply.rate_limit_ms) == (1, 0)


async def test_one_call_carries_so_many_bytes_and_wakes_for_the_rest(check, redis, keys):
    big = [job(f"j{n}", data=b'"%s"' % (b"x" * 1_000_000)) for n in range(40)]

    reply = await check(before=[add(*big), ("DEL", "marker")], call=claim(40))

    assert 9 <= len(reply.jobs) <= 24
    assert await redis.llen(keys.wait) == 40 - len(reply.jobs)
    assert await redis.zscore(keys.marker, "0") == 0
