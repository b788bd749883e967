"""Tests of lua/promote_many, retry_many."""

from __future__ import annotations

import pytest

from toril.declarations.job_type import KeepRule
from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.claim import Owner
from toril.runtime.calls.many import Promoted, RetriedMany, promote_many, retry_many
from toril.runtime.calls.settle import settle_and_claim
from toril.runtime.job import NewJob, ParentLink
from toril.runtime.outcomes import Completed, Failed
from toril.runtime.states import JobState

NOW = 1_790_000_000_000
OWNER = Owner("tok", 30_000)
KEEP = KeepRule()


def job(job_id: str, **more) -> NewJob:
    return NewJob(**{"id": job_id, "queue": "orders", "name": "sync", "data": b"{}", **more})


def add(*jobs: NewJob | str):
    made = [job(one, timestamp_ms=NOW) if isinstance(one, str) else one for one in jobs]
    return lambda keys: add_jobs(keys.prefix, made, now_ms=NOW)


def delayed(job_id: str, delay_ms: int, **more) -> NewJob:
    return job(job_id, timestamp_ms=NOW, delay_ms=delay_ms, **more)


def claim(count: int = 1):
    return lambda keys: settle_and_claim(keys, owner=OWNER, claim=count, now_ms=NOW)


def settle(*outcomes, now_ms: int = NOW):
    return lambda keys: settle_and_claim(keys, owner=OWNER, outcomes=outcomes, now_ms=now_ms)


def fail(*job_ids: str, now_ms: int = NOW):
    return settle(*(Failed(one, "boom", b"[]", KEEP, 3) for one in job_ids), now_ms=now_ms)


def promote(count: int):
    return lambda keys: promote_many(keys, count=count)


def retry(state: JobState = JobState.FAILED, **more):
    given = {"now_ms": NOW + 9, "finished_by_ms": NOW + 9, **more}
    return lambda keys: retry_many(keys, state, **given)


FAMILY = add(
    job("top", timestamp_ms=NOW, waits_for_children=True),
    job("leaf", timestamp_ms=NOW, parent=ParentLink(id="top", queue="orders")),
)

TABLE = {
    "jobs that are due first are promoted first": {
        "before": [add(delayed("a", 900), delayed("b", 100), delayed("c", 500))],
        "call": promote(2),
        "reply": Promoted(2, 1),
        "after": {
            "wait": ["c", "b"],
            "delayed": {"a": (NOW + 900) * 4096},
            "b": {"delay": "0"},
            "marker": {"0": 0, "1": NOW + 100},
        },
        "events": ["waiting jobId=b prev=delayed", "waiting jobId=c prev=delayed"],
    },
    "a promoted job keeps its priority": {
        "before": [add(delayed("a", 100, priority=2))],
        "call": promote(9),
        "reply": Promoted(1, 0),
        "after": {"prioritized": {"a": 2 * 2**32 + 1}},
    },
    "an id without a job is dropped": {
        "before": [("ZADD", "delayed", 1, "ghost")],
        "call": promote(9),
        "reply": Promoted(0, 0),
        "after": {},
        "events": [],
    },
    "nothing is delayed": {"call": promote(9), "reply": Promoted(0, 0), "after": {}, "events": []},
    "failed jobs run again, the oldest first": {
        "before": [add("a", "b"), claim(2), fail("b"), fail("a", now_ms=NOW + 1)],
        "call": retry(),
        "reply": RetriedMany(2, 0, 2),
        "after": {
            "wait": ["a", "b"],
            "a": {"atm": None, "failedReason": None, "finishedOn": None, "stacktrace": "[]"},
        },
        "events": ["waiting jobId=b prev=failed", "waiting jobId=a prev=failed"],
    },
    "attempts may go on counting": {
        "before": [add("a"), claim(), fail("a")],
        "call": retry(fresh_attempts=False),
        "after": {"wait": ["a"], "a": {"atm": "1"}},
    },
    "no more than asked for, and none that finished later": {
        "before": [add("a", "b", "c"), claim(3), fail("a", "b"), fail("c", now_ms=NOW + 1)],
        "call": retry(count=5, finished_by_ms=NOW),
        "reply": RetriedMany(2, 0, 2),
        "after": {"wait": ["b", "a"], "failed": {"c": NOW + 1}},
    },
    "completed jobs run again": {
        "before": [add("a"), claim(), settle(Completed("a", b"1", KEEP))],
        "call": retry(JobState.COMPLETED),
        "after": {"wait": ["a"], "a": {"returnvalue": None}},
        "events": ["waiting jobId=a prev=completed"],
    },
    "a child goes before its parent, which waits for it again": {
        "before": [FAMILY, claim(), fail("leaf"), claim(), fail("top", now_ms=NOW + 1)],
        "call": retry(),
        "reply": RetriedMany(2, 0, 2),
        "after": {
            "wait": ["leaf"],
            "waiting-children": {"top": NOW + 9},
            "top:dependencies": {"P:orders:leaf"},
            "top:unsuccessful": None,
        },
        "events": ["waiting jobId=leaf prev=failed", "waiting-children jobId=top prev=failed"],
    },
    "a parent whose failed child is elsewhere stays": {
        "before": [
            add("a", "top"),
            claim(2),
            fail("top", "a"),
            ("ZADD", "top:unsuccessful", NOW, "P:mails:leaf"),
        ],
        "call": retry(),
        "reply": RetriedMany(1, 1, 2),
        "after": {"wait": ["a"], "failed": {"top": NOW}},
    },
    "what was refused before is passed over": {
        "before": [add("a", "b"), claim(2), fail("a"), fail("b", now_ms=NOW + 1)],
        "call": retry(passed=1),
        "reply": RetriedMany(1, 0, 1),
        "after": {"wait": ["b"], "failed": {"a": NOW}},
    },
    "a finished id without a job is dropped": {
        "before": [("ZADD", "failed", NOW, "ghost")],
        "call": retry(),
        "reply": RetriedMany(0, 0, 1),
        "after": {},
    },
    "a paused queue's jobs wake nobody": {
        "before": [
            add("a"),
            claim(),
            fail("a"),
            ("HSET", "meta", "paused", "1"),
            ("DEL", "marker"),
        ],
        "call": retry(),
        "after": {"wait": ["a"], "marker": None},
    },
}


@pytest.mark.parametrize("case", TABLE.values(), ids=TABLE)
async def test_many_by_hand(case, check):
    await check(**case)


def test_only_finished_jobs_can_be_retried(keys):
    with pytest.raises(ValueError, match=r"^expected failed or completed, got 'delayed'$"):
        retry_many(keys, JobState.DELAYED, now_ms=NOW, finished_by_ms=NOW)
