"""Tests of lua/hand_back.lua."""

from __future__ import annotations

import pytest

from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.claim import Owner
from toril.runtime.calls.locks import hand_back
from toril.runtime.calls.settle import settle_and_claim
from toril.runtime.job import NewJob

NOW = 1_790_000_000_000


def add(*ids: str, priority: int = 0):
    jobs = [
        NewJob(queue="orders", id=job_id, name="n", data=b"1", timestamp_ms=NOW, priority=priority)
        for job_id in ids
    ]
    return lambda keys: add_jobs(keys.prefix, jobs, now_ms=NOW)


def claim(count: int, token: str = "tok"):
    owner = Owner(token, 30_000)
    return lambda keys: settle_and_claim(keys, owner=owner, claim=count, now_ms=NOW)


def give_back(keys):
    return hand_back(keys, "tok")


CASES = {
    "all of a token's jobs run next, in the order they were started": {
        "before": [add("a", "b", "c", "d"), claim(2), claim(1, "other"), ("DEL", "marker")],
        "call": give_back,
        "reply": ["b", "a"],
        "after": {
            "wait": ["d", "b", "a"],
            "active": ["c"],
            "c:lock": "other",
            "a": {"stc": None, "atm": None},
            "marker": {"0": 0},
        },
        "events": ["waiting jobId=b prev=active", "waiting jobId=a prev=active"],
    },
    "a priority is kept": {
        "before": [add("a", "b", priority=3), claim(1)],
        "call": give_back,
        "after": {"prioritized": {"a": 3 * 2**32, "b": 3 * 2**32 + 2}},
    },
    "a job whose lock ran out is given back too": {
        "before": [add("a"), claim(1), ("DEL", "a:lock")],
        "call": give_back,
        "reply": ["a"],
        "after": {"wait": ["a"]},
    },
    "a job that somebody started since is not": {
        "before": [add("a"), claim(1), ("DEL", "a:lock"), ("HINCRBY", "a", "ats", 1)],
        "call": give_back,
        "reply": [],
        "after": {"active": ["a"]},
    },
    "an id without a hash is dropped": {
        "before": [add("a"), claim(1), ("DEL", "a")],
        "call": give_back,
        "reply": [],
        "after": {"a": None},
    },
    "what is no hash is no job": {
        "before": [add("a"), claim(1), ("DEL", "a"), ("SET", "a", "text")],
        "call": give_back,
        "reply": [],
        "after": {"a": "text"},
    },
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_hand_back(case, check):
    await check(**case)
