"""Tests of lua/settle_and_claim.lua: what each outcome does, and when it is refused."""

from __future__ import annotations

import pytest
from tests.scripts.settling import (
    ACTIVE,
    MANUAL_LIMIT,
    NOT_AT_ALL,
    NOW,
    RUNNING,
    add,
    claim,
    completed,
    due,
    failed,
    job,
    settle,
)

from toril.declarations.job_type import KeepRule
from toril.runtime.outcomes import (
    GivenBack,
    MovedToWaitingChildren,
    Postponed,
    Retried,
)

OUTCOMES = {
    "completed": {
        "before": RUNNING,
        "call": settle(completed("a", b'{"n":1}')),
        "after": {
            "completed": {"a": NOW + 50},
            "a": {
                "returnvalue": '{"n":1}',
                "finishedOn": str(NOW + 50),
                "atm": "1",
                "ats": "1",
                "failedReason": None,
            },
        },
        "events": ['completed jobId=a returnvalue={"n":1} prev=active', "drained"],
    },
    "completed and not kept": {
        "before": [*RUNNING, ("RPUSH", "a:logs", "line")],
        "call": settle(completed("a", keep=NOT_AT_ALL)),
        "after": {"a": None, "a:logs": None},
        "events": ["completed jobId=a returnvalue=1 prev=active", "drained"],
    },
    "failed for good": {
        "before": [*RUNNING, ("HSET", "a", "defa", "x")],
        "call": settle(failed("a", attempts=1)),
        "after": {
            "failed": {"a": NOW + 50},
            "a": {
                "failedReason": "boom",
                "stacktrace": '["trace"]',
                "finishedOn": str(NOW + 50),
                "atm": "1",
                "defa": None,
                "returnvalue": None,
            },
        },
        "events": [
            "failed jobId=a failedReason=boom prev=active",
            "retries-exhausted jobId=a attemptsMade=1",
            "drained",
        ],
    },
    "failed with attempts left": {
        "before": RUNNING,
        "call": settle(failed("a", attempts=3)),
        "after": {"failed": {"a": NOW + 50}},
        "events": ["failed jobId=a failedReason=boom prev=active", "drained"],
    },
    "failed and not kept": {
        "before": RUNNING,
        "call": settle(failed("a", keep=NOT_AT_ALL)),
        "after": {"a": None},
    },
    "a reason that is no UTF-8 is written out": {
        "before": RUNNING,
        "call": settle(failed("a", reason="half \ud800")),
        "after": {"failed": {"a": NOW + 50}, "a": {"failedReason": "half \\ud800"}},
    },
    "retried at once": {
        "before": [*RUNNING, add("b")],
        "call": settle(Retried("a", 0, "boom", b'["t"]')),
        "after": {
            "wait": ["a", "b"],
            "a": {"failedReason": "boom", "stacktrace": '["t"]', "atm": "1", "finishedOn": None},
            "marker": {"0": 0},
        },
        "events": ["waiting jobId=a prev=active"],
    },
    "retried at once, LIFO": {
        "before": [add(job("a", lifo=True)), claim(1), add("b")],
        "call": settle(Retried("a", 0, "boom", b"[]")),
        "after": {"wait": ["b", "a"]},
    },
    "retried at once with a priority goes behind its equals": {
        "before": [add(job("a", priority=7)), claim(1), add(job("b", priority=7))],
        "call": settle(Retried("a", 0, "boom", b"[]")),
        "after": {"prioritized": {"b": 7 * 2**32 + 2, "a": 7 * 2**32 + 3}},
    },
    "retried later": {
        "before": [*RUNNING, ("DEL", "marker")],
        "call": settle(Retried("a", 1_000, "boom", b"[]")),
        "after": {
            "delayed": {"a": due(1_050)},
            "a": {"delay": "1000", "atm": "1"},
            "marker": {"1": NOW + 1_050},
        },
        "events": [f"delayed jobId=a delay={NOW + 1_050}"],
    },
    "postponed spends no attempt": {
        "before": RUNNING,
        "call": settle(Postponed("a", NOW + 5_050)),
        "after": {"delayed": {"a": due(5_050)}, "a": {"delay": "5000", "atm": None}},
        "events": [f"delayed jobId=a delay={NOW + 5_050}"],
    },
    "postponed into the past is due now": {
        "before": RUNNING,
        "call": settle(Postponed("a", NOW)),
        "after": {"wait": ["a"], "a": {"delay": "0"}},
        "events": [
            f"delayed jobId=a delay={NOW + 50}",
            "waiting jobId=a prev=delayed",
        ],
    },
    "given back is next and spends no attempt": {
        "before": [*RUNNING, add("b")],
        "call": settle(GivenBack("a")),
        "after": {"wait": ["b", "a"], "a": {"atm": None}, "limiter": None, "marker": {"0": 0}},
        "events": ["waiting jobId=a prev=active"],
    },
    "given back with a priority goes ahead of its equals": {
        "before": [add(job("a", priority=7)), claim(1), add(job("b", priority=7))],
        "call": settle(GivenBack("a")),
        "after": {"prioritized": {"a": 7 * 2**32, "b": 7 * 2**32 + 2}},
    },
    "given back with a limit holds the queue": {
        "before": RUNNING,
        "call": settle(GivenBack("a", 60_000), claim=1),
        "after": {"wait": ["a"], "limiter": str(MANUAL_LIMIT)},
        "events": ["waiting jobId=a prev=active"],
    },
    "a longer limit stays": {
        "before": [*RUNNING, ("SET", "limiter", "5", "PX", 100_000)],
        "call": settle(GivenBack("a", 10)),
        "after": {"wait": ["a"], "limiter": "5"},
    },
    "waiting for the children it added": {
        "before": [*RUNNING, ("SADD", "a:dependencies", "P:orders:c")],
        "call": settle(MovedToWaitingChildren("a")),
        "after": {"waiting-children": {"a": NOW + 50}, "a": {"atm": None}},
        "events": ["waiting-children jobId=a prev=active"],
    },
    "a stalled mark is taken back": {
        "before": [*RUNNING, ("SADD", "stalled", "a", "x")],
        "call": settle(completed("a")),
        "after": {"completed": {"a": NOW + 50}, "stalled": {"x"}},
    },
    "a lock that ran out does not matter while nobody started the job since": {
        "before": [*RUNNING, ("DEL", "a:lock")],
        "call": settle(completed("a")),
        "after": {"completed": {"a": NOW + 50}},
    },
    "nothing is drained while a delayed job is pending and the worker wants more": {
        "before": [add("a", job("d", delay_ms=9_000)), claim(1)],
        "call": settle(completed("a"), claim=1),
        "events": ["completed jobId=a returnvalue=1 prev=active"],
    },
    "a freed place on a full queue wakes a worker": {
        "before": [("HSET", "meta", "concurrency", "1"), *RUNNING, add("b")],
        "call": settle(completed("a")),
        "after": {"completed": {"a": NOW + 50}, "wait": ["b"], "marker": {"0": 0}},
    },
    "settled and claimed in one call": {
        "before": [*RUNNING, add("b")],
        "call": settle(completed("a"), claim=1),
        "after": {"completed": {"a": NOW + 50}, "active": ["b"], "b:lock": "tok"},
        "events": [
            "completed jobId=a returnvalue=1 prev=active",
            "active jobId=b prev=waiting",
        ],
    },
    "retried and claimed again in one call": {
        "before": RUNNING,
        "call": settle(Retried("a", 0, "boom", b"[]"), claim=1),
        "after": {**ACTIVE, "a": {"ats": "2", "t:o": "tok#2", "atm": "1"}, "stalled": None},
    },
    "metadata of a queue that nobody opened is made": {
        "call": settle(),
        "after": {"meta": {"opts.maxLenEvents": "10000"}},
        "events": [],
    },
}


@pytest.mark.parametrize("case", OUTCOMES.values(), ids=OUTCOMES)
async def test_outcome(case, check):
    reply = await check(**case)

    assert set(reply.codes) <= {0}


IN_VAIN = {
    "children that ended before it could wait for them have it run again": {
        "before": RUNNING,
        "call": settle(MovedToWaitingChildren("a")),
        "after": {"wait": ["a"], "a": {"atm": None, "t:w": "1"}, "a:lock": None},
        "events": ["waiting jobId=a prev=active"],
    },
    "so they do however often it adds new ones": {
        "before": [*RUNNING, ("HSET", "a", "t:w", "0", "priority", "2")],
        "call": settle(MovedToWaitingChildren("a", has_added=True)),
        "after": {"prioritized": {"a": 2 * 2**32}, "a": {"t:w": "1"}, "a:lock": None},
    },
}


@pytest.mark.parametrize("case", IN_VAIN.values(), ids=IN_VAIN)
async def test_who_waits_for_children_when_none_is_pending_runs_again(case, check):
    reply = await check(**case)

    assert reply.codes == [1]


REFUSALS = {
    "a job that is gone": (-1, [], completed("a"), {}),
    "a job whose lock another worker holds": (
        -6,
        [*RUNNING, ("SET", "a:lock", "other")],
        completed("a"),
        {"active": ["a"], "a:lock": "other"},
    ),
    "a job without a lock that another worker started since": (
        -2,
        [*RUNNING, ("DEL", "a:lock"), ("HINCRBY", "a", "ats", 1)],
        completed("a"),
        {"active": ["a"]},
    ),
    "an earlier start under the same token": (
        -6,
        [*RUNNING, ("HSET", "a", "ats", 2, "t:o", "tok#2")],
        completed("a", fence=1),
        ACTIVE,
    ),
    "a job that was taken out of active": (
        -3,
        [*RUNNING, ("DEL", "active")],
        completed("a"),
        {"a": {"atm": None, "returnvalue": None}},
    ),
    "a parent with pending children": (
        -4,
        [*RUNNING, ("SADD", "a:dependencies", "P:orders:c")],
        completed("a"),
        ACTIVE,
    ),
    "a parent with failed children": (
        -9,
        [*RUNNING, ("ZADD", "a:unsuccessful", 1, "P:orders:c")],
        completed("a"),
        ACTIVE,
    ),
    "waiting for children when some failed": (
        -9,
        [*RUNNING, ("ZADD", "a:unsuccessful", 1, "P:orders:c")],
        MovedToWaitingChildren("a"),
        ACTIVE,
    ),
    "a parent whose keys somebody overwrote": (
        -100,
        [
            *RUNNING,
            ("HSET", "a", "parentKey", "P:orders:p", "parent", "{}"),
            ("SET", "p:dependencies", "not a set"),
        ],
        completed("a"),
        {"active": ["a"], "a": {"returnvalue": None}},
    ),
    "a job that somebody overwrote": (
        -1,
        [*RUNNING, ("DEL", "a"), ("SET", "a", "not a hash")],
        completed("a"),
        ACTIVE,
    ),
    "waiting for children when there are none, again": (
        -12,
        [*RUNNING, ("HSET", "a", "t:w", "0")],
        MovedToWaitingChildren("a"),
        ACTIVE,
    ),
}


@pytest.mark.parametrize(("code", "before", "outcome", "after"), REFUSALS.values(), ids=REFUSALS)
async def test_refused(code, before, outcome, after, check):
    reply = await check(before=before, call=settle(outcome), after=after, events=[])

    assert reply.codes == [code]


async def test_a_refused_outcome_does_not_hold_up_the_others(check):
    reply = await check(
        before=[add("a", "b", "c"), claim(3), ("SET", "b:lock", "other")],
        call=settle(completed("a"), completed("b"), completed("c"), completed("a")),
        after={"completed": {"a": NOW + 50, "c": NOW + 50}, "active": ["b"], "b:lock": "other"},
    )

    assert reply.codes == [0, -6, 0, -3]


async def test_a_thousand_jobs_pass_through_one_call(check):
    names = [f"j{n}" for n in range(1_000)]
    outcomes = [completed(name, keep=KeepRule(count=10)) for name in names]

    reply = await check(
        before=[add(*names), claim(1_000)],
        call=settle(*outcomes, claim=1),
        after={"completed": dict.fromkeys(sorted(names)[-10:], NOW + 50)},
    )

    assert reply.codes == [0] * 1_000


OLD = [("ZADD", "completed", NOW - 5_000, "x", NOW - 4_000, "y"), ("HSET", "x", "name", "n")]

KEEPS = {
    "the newest by count stay": (
        [*OLD, ("HSET", "x:processed", "k", "v"), ("RPUSH", "x:logs", "line")],
        KeepRule(count=2),
        {
            "completed": {"y": NOW - 4_000, "a": NOW + 50},
            "x": None,
            "x:logs": None,
            "x:processed": None,
        },
    ),
    "those young enough stay": (
        OLD,
        KeepRule(age_ms=4_060),
        {"completed": {"y": NOW - 4_000, "a": NOW + 50}, "x": None},
    ),
    "both bounds hold": (
        OLD,
        KeepRule(count=1, age_ms=100_000),
        {"completed": {"a": NOW + 50}, "x": None},
    ),
    "without bounds all stay": (
        OLD,
        KeepRule(),
        {"completed": {"x": NOW - 5_000, "y": NOW - 4_000, "a": NOW + 50}, "x": {"name": "n"}},
    ),
}


@pytest.mark.parametrize(("before", "keep", "after"), KEEPS.values(), ids=KEEPS)
async def test_keep(before, keep, after, check):
    await check(before=[*before, *RUNNING], call=settle(completed("a", keep=keep)), after=after)


async def test_each_job_of_a_batch_applies_its_own_rule(check):
    await check(
        before=[*OLD, add("a", "b", "c"), claim(3)],
        call=settle(
            completed("a", keep=KeepRule(count=2)), completed("b"), failed("c", KeepRule(count=5))
        ),
        after={
            "completed": {"y": NOW - 4_000, "a": NOW + 50, "b": NOW + 50},
            "failed": {"c": NOW + 50},
        },
    )


async def test_old_events_are_trimmed_and_new_ones_are_not(check, redis, keys):
    many = [f"j{n}" for n in range(300)]
    before = [add(*many), claim(300), ("HSET", "meta", "opts.maxLenEvents", "10")]

    await check(
        before=before,
        call=settle(*[completed(name) for name in many]),
        events=[*[f"completed jobId={name} returnvalue=1 prev=active" for name in many], "drained"],
    )

    assert await redis.xlen(keys.events) < 300 + 1 + 110
