"""Tests of lua/replay_letters, purge_letters, and of the letter that settle_and_claim adds."""

from __future__ import annotations

import json

import pytest

from toril.declarations.job_type import KeepRule
from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.claim import Owner
from toril.runtime.calls.dead_letters import DeadLetter, purge_letters, replay_letters
from toril.runtime.calls.settle import settle_and_claim
from toril.runtime.job import NewJob, StoredJob
from toril.runtime.outcomes import Failed, Letter
from toril.runtime.states import JobState

NOW = 1_790_000_000_000
OWNER = Owner("tok", 30_000)
DATA = b'{"id":"a","data":{"n": 1.0},"error":{"type":"E","message":"boom"}}'
ORIGIN = b'{"queue":"orders","id":"a","name":"sync","priority":0,"fields":{"t:j:s":"1"},"opts":{}}'


def add(keys):
    job = NewJob(queue="orders", id="a", name="sync", data=b'{"n": 1.0}', timestamp_ms=NOW)
    return add_jobs(keys.prefix, [job], now_ms=NOW)


def claim(keys):
    return settle_and_claim(keys, owner=OWNER, claim=1, now_ms=NOW)


def fail(count=None, priority=0):
    letter = Letter("dead", "L", "keep", DATA, {"attempts": 2}, priority, ORIGIN)
    outcome = Failed("a", "boom", b"[]", KeepRule(count=count), 1, letter=letter)
    return lambda keys: settle_and_claim(keys, owner=OWNER, outcomes=[outcome], now_ms=NOW + 1)


def letter_in(keys, **more) -> DeadLetter:
    fields = {b"data": DATA, b"t:dl": ORIGIN}
    given = {"state": JobState.WAITING, "job": StoredJob("dead", "L", fields)}
    told = {"data": {}, "error": "boom", "error_type": "E", "attempts": 1, "failed_at_ms": NOW}
    origin = {"queue": "dead", "from_queue": "orders", "from_id": "a", "name": "sync"}
    return DeadLetter(id="L", **(given | told | origin | more))


def replay(**more):
    return lambda keys: replay_letters(keys.of("dead"), [letter_in(keys, **more)], now_ms=NOW + 5)


def purge(keys, **more):
    return purge_letters(keys.of("dead"), [letter_in(keys)], **more)


def unreadable():
    return StoredJob("dead", "L", {b"data": b"[]", b"t:dl": ORIGIN})


TABLE = {
    "a failure adds its letter, with a marker and events": {
        "before": [add, claim],
        "call": fail(),
        "after": {
            "failed": {"a": NOW + 1},
            "P:dead:wait": ["L"],
            "P:dead:marker": {"0": 0},
            "P:dead:id": "1",
            "P:dead:L": {
                "name": "keep",
                "data": DATA.decode(),
                "opts": '{"attempts":2}',
                "timestamp": str(NOW + 1),
                "t:dl": ORIGIN.decode(),
            },
            "P:dead:events": 2,
        },
    },
    "a letter has the priority of who handles it": {
        "before": [add, claim],
        "call": fail(priority=2),
        "after": {"failed": {"a": NOW + 1}, "P:dead:prioritized": {"L": 2 * 2**32 + 1}},
    },
    "a paused queue takes letters and wakes nobody": {
        "before": [add, claim, ("HSET", "P:dead:meta", "paused", "1")],
        "call": fail(),
        "after": {"failed": {"a": NOW + 1}, "P:dead:wait": ["L"], "P:dead:marker": None},
    },
    "a failed job runs again as its letter goes": {
        "before": [add, claim, fail()],
        "call": replay(),
        "reply": [0],
        "after": {
            "wait": ["a"],
            "P:dead:wait": None,
            "P:dead:L": None,
            "a": {"atm": None, "failedReason": None, "timestamp": str(NOW + 5)},
        },
        "events": ["waiting jobId=a prev=failed"],
    },
    "a job that was not kept is added anew": {
        "before": [add, claim, fail(count=0)],
        "call": replay(),
        "reply": [0],
        "after": {
            "wait": ["a"],
            "P:dead:wait": None,
            "a": {"name": "sync", "data": '{"n": 1.0}', "opts": "{}", "t:j:s": "1", "ats": None},
        },
        "events": ["added jobId=a name=sync", "waiting jobId=a"],
    },
    "a second replay finds nothing": {
        "before": [add, claim, fail(), replay()],
        "call": replay(),
        "reply": [-1],
        "after": {"wait": ["a"]},
        "events": [],
    },
    "a letter stays while its job is there and has not failed": {
        "before": [add, claim, fail(), ("ZREM", "failed", "a")],
        "call": replay(),
        "reply": [-7],
        "after": {"P:dead:wait": ["L"]},
        "events": [],
    },
    "a letter stays if nobody knows what its job was given": {
        "before": [add, claim, fail(count=0)],
        "call": replay(job=unreadable()),
        "reply": [-8],
        "after": {"P:dead:wait": ["L"], "a": None},
        "events": [],
    },
    "a letter stays while its job needs one that failed": {
        "before": [add, claim, fail(), ("ZADD", "a:unsuccessful", 1, "P:orders:child")],
        "call": replay(),
        "reply": [-9],
        "after": {"failed": {"a": NOW + 1}, "P:dead:wait": ["L"]},
        "events": [],
    },
    "a letter stays while it is handled": {
        "before": [add, claim, fail(), lambda keys: claim(keys.of("dead"))],
        "call": replay(),
        "reply": [-3],
        "after": {"failed": {"a": NOW + 1}, "P:dead:active": ["L"], "P:dead:L:lock": "tok"},
        "events": [],
    },
    "a letter is purged, its job stays": {
        "before": [add, claim, fail()],
        "call": purge,
        "reply": [0],
        "after": {"failed": {"a": NOW + 1}, "P:dead:L": None, "P:dead:wait": None},
        "events": [],
    },
    "a letter is found by its place though older ones were claimed meanwhile": {
        "before": [add, claim, fail(), ("LPUSH", "P:dead:wait", "newer")],
        "call": lambda keys: purge(keys, skip=7),
        "reply": [0],
        "after": {"failed": {"a": NOW + 1}, "P:dead:L": None, "P:dead:wait": ["newer"]},
    },
    "a letter is found though it is not where it is said to be": {
        "before": [add, claim, fail(), ("LPUSH", "P:dead:wait", *"123")],
        "call": lambda keys: purge(keys, skip=900),
        "reply": [0],
        "after": {"failed": {"a": NOW + 1}, "P:dead:L": None, "P:dead:wait": [*"321"]},
    },
    "a job that is no letter is not purged": {
        "before": [add, claim, fail(), ("HDEL", "P:dead:L", "t:dl")],
        "call": purge,
        "reply": [-1],
        "after": {"failed": {"a": NOW + 1}, "P:dead:wait": ["L"]},
    },
}


@pytest.mark.parametrize("case", TABLE.values(), ids=TABLE.keys())
async def test_letters(check, case):
    await check(**case)


def test_the_letters_of_the_table_are_json():
    assert json.loads(DATA)["id"] == json.loads(ORIGIN)["id"] == "a"
