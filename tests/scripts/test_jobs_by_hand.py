"""Tests of lua/promote, retry_job, remove_job, update_progress, update_data, add_log."""

from __future__ import annotations

import pytest

from toril.declarations.job_type import KeepRule
from toril.errors import JobNotFound, WrongState
from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.claim import Owner
from toril.runtime.calls.jobs import (
    add_log,
    get_logs,
    promote,
    remove_job,
    retry_job,
    update_data,
    update_progress,
)
from toril.runtime.calls.settle import settle_and_claim
from toril.runtime.job import NewJob, ParentLink
from toril.runtime.outcomes import Completed, Failed

NOW = 1_790_000_000_000
OWNER = Owner("tok", 30_000)
KEEP = KeepRule()


def job(job_id: str, queue: str = "orders", **more) -> NewJob:
    return NewJob(id=job_id, queue=queue, name="sync", data=b"{}", timestamp_ms=NOW, **more)


def add(*jobs: NewJob | str):
    made = [job(one) if isinstance(one, str) else one for one in jobs]
    return lambda keys: add_jobs(keys.prefix, made, now_ms=NOW)


def claim(count: int = 1, queue: str = "orders"):
    return lambda keys: settle_and_claim(keys.of(queue), owner=OWNER, claim=count, now_ms=NOW)


def complete(job_id: str, queue: str = "orders"):
    outcome = [Completed(job_id, b"1", KEEP)]
    return lambda keys: settle_and_claim(keys.of(queue), owner=OWNER, outcomes=outcome, now_ms=NOW)


def fail(job_id: str):
    outcome = [Failed(job_id, "boom", b"[]", KEEP, 3)]
    return lambda keys: settle_and_claim(keys, owner=OWNER, outcomes=outcome, now_ms=NOW)


def tree() -> list:
    parent = job("top", waits_for_children=True)
    child = job("leaf", parent=ParentLink(id="top", queue="orders"))
    return [add(parent, child)]


def by_id(call, job_id: str, **more):
    return lambda keys: call(keys, job_id, **more)


RETRY_A = by_id(retry_job, "a", now_ms=NOW + 9)

TABLE = {
    "a delayed job is promoted behind those that wait": {
        "before": [add("b", job("a", delay_ms=500))],
        "call": by_id(promote, "a"),
        "after": {"wait": ["a", "b"], "a": {"delay": "0"}, "marker": {"0": 0, "1": NOW + 500}},
        "events": ["waiting jobId=a prev=delayed"],
    },
    "a delayed job with a priority is promoted into its priority": {
        "before": [add(job("a", delay_ms=500, priority=3))],
        "call": by_id(promote, "a"),
        "after": {"prioritized": {"a": 3 * 2**32 + 1}},
    },
    "promoting while paused wakes nobody": {
        "before": [("HSET", "meta", "paused", "1"), add(job("a", delay_ms=500)), ("DEL", "marker")],
        "call": by_id(promote, "a"),
        "after": {"wait": ["a"], "marker": None},
    },
    "a failed job is retried with a clean slate": {
        "before": [add("a"), claim(), ("HSET", "a", "stc", "2"), fail("a")],
        "call": RETRY_A,
        "after": {
            "wait": ["a"],
            "a": {
                "atm": None,
                "ats": "1",
                "stc": None,
                "failedReason": None,
                "finishedOn": None,
                "processedOn": None,
            },
        },
        "events": ["waiting jobId=a prev=failed"],
    },
    "a retry may leave attempts as they are": {
        "before": [add("a"), claim(), fail("a")],
        "call": by_id(retry_job, "a", now_ms=NOW, fresh_attempts=False),
        "after": {"wait": ["a"], "a": {"atm": "1"}},
    },
    "a completed job is retried": {
        "before": [add("a"), claim(), complete("a")],
        "call": RETRY_A,
        "after": {"wait": ["a"], "a": {"returnvalue": None}},
        "events": ["waiting jobId=a prev=completed"],
    },
    "a retried job keeps its priority": {
        "before": [add(job("a", priority=2)), claim(), fail("a")],
        "call": RETRY_A,
        "after": {"prioritized": {"a": 2 * 2**32 + 2}},
    },
    "a retried LIFO job runs next": {
        "before": [add(job("a", lifo=True)), claim(), fail("a"), add("b")],
        "call": RETRY_A,
        "after": {"wait": ["b", "a"]},
    },
    "a parent that was to fail waits for the retried child again": {
        "before": [*tree(), claim(), fail("leaf")],
        "call": by_id(retry_job, "leaf", now_ms=NOW),
        "after": {
            "wait": ["leaf"],
            "waiting-children": {"top": NOW},
            "top": {"defa": None},
            "top:dependencies": {"P:orders:leaf"},
            "top:unsuccessful": None,
        },
    },
    "a retried parent waits for the child that is retried too": {
        "before": [
            *tree(),
            claim(),
            fail("leaf"),
            claim(),
            fail("top"),
            by_id(retry_job, "leaf", now_ms=NOW),
        ],
        "call": by_id(retry_job, "top", now_ms=NOW + 9),
        "after": {"wait": ["leaf"], "waiting-children": {"top": NOW + 9}, "top": {"defa": None}},
        "events": ["waiting-children jobId=top prev=failed"],
    },
    "a waiting job is removed": {
        "before": [add("a", "b"), by_id(add_log, "a", line="x")],
        "call": by_id(remove_job, "a"),
        "reply": 1,
        "after": {"wait": ["b"], "a": None, "a:logs": None},
        "events": ["removed jobId=a prev=wait"],
    },
    "a job in v5's paused list is removed": {
        "before": [add("a"), ("RENAME", "wait", "P:orders:paused")],
        "call": by_id(remove_job, "a"),
        "after": {"a": None},
        "events": ["removed jobId=a prev=paused"],
    },
    "an active job whose lock ran out is removed": {
        "before": [add("a"), claim(), ("DEL", "a:lock")],
        "call": by_id(remove_job, "a"),
        "after": {"a": None},
        "events": ["removed jobId=a prev=active"],
    },
    "a removed parent takes its children along": {
        "before": tree(),
        "call": by_id(remove_job, "top"),
        "reply": 2,
        "after": {"top": None, "leaf": None, "top:dependencies": None},
        "events": ["removed jobId=leaf prev=wait", "removed jobId=top prev=waiting-children"],
    },
    "a removed last child releases its parent": {
        "before": tree(),
        "call": by_id(remove_job, "leaf"),
        "after": {"wait": ["top"], "leaf": None},
        "events": [
            "waiting jobId=top prev=waiting-children",
            "removed jobId=leaf prev=wait",
        ],
    },
    "a removed job frees its deduplication id": {
        "before": [add("a"), ("HSET", "a", "deid", "d"), ("SET", "de:d", "a")],
        "call": by_id(remove_job, "a"),
        "after": {"de:d": None},
    },
    "progress is stored and told": {
        "before": [add("a")],
        "call": by_id(update_progress, "a", progress=b'{"n":1}'),
        "after": {"wait": ["a"], "a": {"progress": '{"n":1}'}},
        "events": ['progress jobId=a data={"n":1}'],
    },
    "data is replaced, with the fields it settles": {
        "before": [add(job("a", own={"t:d": "{}", "t:f": "flow"}))],
        "call": by_id(update_data, "a", data=b"[1]", settles=["t:d"]),
        "after": {"wait": ["a"], "a": {"data": "[1]", "t:d": None, "t:f": "flow"}},
        "events": [],
    },
    "a line is added to the log": {
        "before": [add("a"), by_id(add_log, "a", line="one")],
        "call": by_id(add_log, "a", line="two"),
        "reply": 2,
        "after": {"wait": ["a"], "a:logs": ["one", "two"]},
    },
    "only the last lines are kept": {
        "before": [add("a"), by_id(add_log, "a", line="one"), by_id(add_log, "a", line="two")],
        "call": by_id(add_log, "a", line="three", keep=2),
        "reply": 2,
        "after": {"wait": ["a"], "a:logs": ["two", "three"]},
    },
    "keeping no lines keeps none": {
        "before": [add("a"), by_id(add_log, "a", line="one")],
        "call": by_id(add_log, "a", line="two", keep=0),
        "reply": 0,
        "after": {"wait": ["a"], "a:logs": None},
    },
}


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
async def test_moving_and_changing_jobs(check, row) -> None:
    await check(**row)


REFUSED = {
    "job 'a' of queue 'orders' is waiting; only a delayed job can be promoted": {
        "before": [add("a")],
        "call": by_id(promote, "a"),
    },
    "job 'a' of queue 'orders' is active; only a failed or completed job can be retried": {
        "before": [add("a"), claim()],
        "call": RETRY_A,
    },
    "job 'top' of queue 'orders' needs 'P:orders:leaf', which failed; retry that one first": {
        "before": [*tree(), claim(), fail("leaf"), claim(), fail("top")],
        "call": by_id(retry_job, "top", now_ms=NOW),
    },
    "job 'a' of queue 'orders', or a child of it, is active; wait until it has ended": {
        "before": [add("a"), claim()],
        "call": by_id(remove_job, "a"),
    },
    "job 'top' of queue 'orders', or a child of it, is active; wait until it has ended": {
        "before": [*tree(), claim()],
        "call": by_id(remove_job, "top"),
    },
    "job 'repeat:daily:77' of queue 'orders' is a schedule's next tick; "
    "remove the schedule instead": {
        "before": [
            add("a"),
            ("HSET", "a", "rjk", "daily"),
            ("RENAME", "a", "P:orders:repeat:daily:77"),
            ("ZADD", "repeat", "77", "daily"),
        ],
        "call": by_id(remove_job, "repeat:daily:77"),
    },
}


@pytest.mark.parametrize(("message", "row"), REFUSED.items(), ids=REFUSED)
async def test_a_wrong_state_is_an_error_that_changes_nothing(check, prefix, message, row) -> None:
    with pytest.raises(WrongState) as raised:
        await check(**row)

    assert str(raised.value).replace(f"{prefix}:", "P:") == message


MISSING = [
    by_id(promote, "nope"),
    by_id(retry_job, "nope", now_ms=NOW),
    by_id(remove_job, "nope"),
    by_id(update_progress, "nope", progress=b"1"),
    by_id(update_data, "nope", data=b"1"),
    by_id(add_log, "nope", line="x"),
]


@pytest.mark.parametrize("call", MISSING)
async def test_an_unknown_job_is_an_error_and_nothing_is_written(
    check, redis, prefix, call
) -> None:
    with pytest.raises(JobNotFound) as raised:
        await check(call=call)

    assert str(raised.value) == "no job 'nope' in queue 'orders'"
    assert [key async for key in redis.scan_iter(match=f"{prefix}:*")] == []


async def test_logs_are_read_oldest_first_or_by_part(sender, keys) -> None:
    await sender.send(add("a")(keys))
    for line in ("one", "two", "three"):
        await sender.send(add_log(keys, "a", line))

    assert await sender.send(get_logs(keys, "a")) == ["one", "two", "three"]
    assert await sender.send(get_logs(keys, "a", first=-2)) == ["two", "three"]
