"""Tests of lua/blame.lua."""

from __future__ import annotations

import pytest

from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.blame import blame
from toril.runtime.calls.claim import Owner
from toril.runtime.calls.settle import settle_and_claim
from toril.runtime.job import NewJob

NOW = 1_790_000_000_000


def add(job_id: str):
    job = NewJob(queue="orders", id=job_id, name="n", data=b"1", timestamp_ms=NOW)
    return lambda keys: add_jobs(keys.prefix, [job], now_ms=NOW)


def claim(token: str = "tok"):
    owner = Owner(token, 30_000)
    return lambda keys: settle_and_claim(keys, owner=owner, claim=1, now_ms=NOW)


def count(*, limit: int = 1, token: str = "tok"):
    return lambda keys: blame(keys, token, "a", limit=limit, reason="killed it")


#: The job is where it was, and still locked.
HELD = {"active": ["a"], "a:lock": "tok"}

CASES = {
    "a stall is counted and the job stays where it is": {
        "before": [add("a"), claim()],
        "call": count(),
        "reply": 1,
        "after": {
            **HELD,
            "a": {"stc": "1", "defa": None, "atm": None},
        },
        "events": ["stalled jobId=a"],
    },
    "over the limit the job carries the reason": {
        "before": [add("a"), claim(), ("HSET", "a", "stc", 1)],
        "call": count(),
        "reply": 2,
        "after": {**HELD, "a": {"stc": "2", "defa": "killed it"}},
    },
    "a job of a living schedule is never over the limit": {
        "before": [
            add("a"),
            claim(),
            ("HSET", "a", "rjk", "daily"),
            ("ZADD", "repeat", NOW, "daily"),
        ],
        "call": count(limit=0),
        "reply": 1,
        "after": {**HELD, "a": {"stc": "1", "defa": None}},
    },
    "a job whose lock ran out is still the token's": {
        "before": [add("a"), claim(), ("DEL", "a:lock")],
        "call": count(),
        "reply": 1,
        "after": {"active": ["a"], "a": {"stc": "1"}},
    },
    "another's job is left alone": {
        "before": [add("a"), claim("other")],
        "call": count(),
        "reply": 0,
        "after": {"active": ["a"], "a:lock": "other", "a": {"stc": None}},
        "events": [],
    },
    "a job that is gone does not come back as a ghost": {
        "before": [add("a"), claim(), ("DEL", "a")],
        "call": count(),
        "reply": 0,
        "after": {**HELD, "a": None},
    },
    "what is no hash is no job": {
        "before": [add("a"), claim(), ("DEL", "a"), ("SET", "a", "text")],
        "call": count(),
        "reply": 0,
        "after": {**HELD, "a": "text"},
    },
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_blame(case, check):
    await check(**case)
