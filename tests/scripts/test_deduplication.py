"""Tests of lib/deduplicate in lua/add, and of lua/release_deduplication."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from toril.declarations.job_type import KeepRule
from toril.errors import JobNotFound
from toril.runtime.calls.add import Added, add_jobs
from toril.runtime.calls.claim import Owner
from toril.runtime.calls.deduplication import read_owner, release, release_of_job
from toril.runtime.calls.settle import settle_and_claim
from toril.runtime.job import NewJob
from toril.runtime.outcomes import Completed

NOW = 1_790_000_000_000
OWNER = Owner("tok", 30_000)


def job(job_id: str, *, delay_ms: int = 0, plain: bool = False, **rule) -> NewJob:
    return NewJob(
        id=job_id,
        queue="orders",
        name="sync",
        data=b"1",
        timestamp_ms=NOW,
        delay_ms=delay_ms,
        opts={} if plain else {"deduplication": {"id": "d", **rule}},
    )


def add(*jobs: NewJob):
    return lambda keys: add_jobs(keys.prefix, jobs, now_ms=NOW)


def add_again(*jobs: NewJob):
    """The same call, made again because its reply was lost."""
    mine = [replace(one, is_id_new=True) for one in jobs]
    return lambda keys: add_jobs(keys.prefix, mine, now_ms=NOW, again_since_ms=1)


def claim(keys):
    return settle_and_claim(keys, owner=OWNER, claim=1, now_ms=NOW)


def complete(job_id: str):
    outcomes = [Completed(job_id, b"1", KeepRule())]
    return lambda keys: settle_and_claim(keys, owner=OWNER, outcomes=outcomes, now_ms=NOW + 5)


KEEP_LAST = {"keepLastIfActive": True}
KEPT_OUT = "deduplicated jobId=old deduplicationId=d deduplicatedJobId=new"
REPLACED = [
    "removed jobId=old prev=delayed",
    "deduplicated jobId=new deduplicationId=d deduplicatedJobId=old",
    "added jobId=new name=sync",
    "waiting jobId=new",
]
LATER = {"name": "sync", "data": "1", "jid": "new"}

TABLE = {
    "the first one takes the id": {
        "call": add(job("new")),
        "reply": [Added("new", True)],
        "after": {"wait": ["new"], "de:d": "new", "new": {"deid": "d"}},
        "events": ["added jobId=new name=sync", "waiting jobId=new"],
    },
    "a second one is kept out, wherever the first is": {
        "before": [add(job("old")), claim],
        "call": add(job("new")),
        "reply": [Added("old", False)],
        "after": {"active": ["old"], "old:lock": "tok", "de:d": "old", "new": None, "id": "2"},
        "events": [KEPT_OUT],
    },
    "an id is free again when its job has finished": {
        "before": [add(job("old")), claim, complete("old")],
        "call": add(job("new")),
        "reply": [Added("new", True)],
        "after": {"wait": ["new"], "completed": {"old": NOW + 5}, "de:d": "new"},
    },
    "a ttl outlives the job": {
        "before": [add(job("old", ttl=60_000)), claim, complete("old")],
        "call": add(job("new", ttl=60_000)),
        "reply": [Added("old", False)],
        "after": {"completed": {"old": NOW + 5}, "de:d": "old"},
        "events": [KEPT_OUT],
    },
    "a job that exists is a duplicate before all else": {
        "before": [add(job("old"))],
        "call": add(job("old")),
        "reply": [Added("old", False)],
        "after": {"wait": ["old"]},
        "events": ["duplicated jobId=old"],
    },
    "an owner that is gone without a ttl is forgotten, with what waited for it": {
        "before": [("SET", "de:d", "gone"), ("HSET", "dn:d", "name", "x")],
        "call": add(job("new")),
        "reply": [Added("new", True)],
        "after": {"wait": ["new"], "de:d": "new", "dn:d": None},
    },
    "an owner that is gone with a ttl keeps others out": {
        "before": [("SET", "de:d", "old", "PX", 60_000)],
        "call": add(job("new")),
        "reply": [Added("old", False)],
        "after": {"de:d": "old"},
        "events": [KEPT_OUT],
    },
    "a key of another kind is no owner": {
        "before": [("LPUSH", "de:d", "x")],
        "call": add(job("new")),
        "after": {"wait": ["new"], "de:d": "new"},
    },
    "a delayed owner is replaced": {
        "before": [add(job("old", delay_ms=500, replace=True)), ("HSET", "dn:d", "name", "x")],
        "call": add(job("new", replace=True)),
        "reply": [Added("new", True)],
        "after": {"wait": ["new"], "de:d": "new", "old": None, "dn:d": None},
        "events": REPLACED,
    },
    "an owner that waits already is not replaced, and no event tells of it": {
        "before": [add(job("old", replace=True))],
        "call": add(job("new", replace=True)),
        "reply": [Added("old", False)],
        "after": {"wait": ["old"], "de:d": "old", "new": None},
        "events": [],
    },
    "a replaced child is unlinked from its parent": {
        "before": [
            add(job("old", delay_ms=500), job("top", plain=True)),
            ("HSET", "old", "parentKey", "P:orders:top"),
            ("SADD", "top:dependencies", "P:orders:old"),
            ("LREM", "wait", 0, "top"),
            ("ZADD", "waiting-children", NOW, "top"),
        ],
        "call": add(job("new", replace=True)),
        "after": {"wait": ["new", "top"], "top:dependencies": None},
    },
    "while the owner runs, the last one is kept for later": {
        "before": [add(job("old", **KEEP_LAST)), claim, add(job("mid", **KEEP_LAST))],
        "call": add(job("new", ttl=60_000, **KEEP_LAST)),
        "reply": [Added("old", False)],
        "after": {
            "active": ["old"],
            "old:lock": "tok",
            "de:d": "old",
            "dn:d": {**LATER, "pk": None},
            "new": None,
        },
        "events": [KEPT_OUT],
    },
    "what was kept for later is added when the owner finishes": {
        "before": [add(job("old", **KEEP_LAST)), claim, add(job("new", **KEEP_LAST))],
        "call": complete("old"),
        "after": {
            "wait": ["new"],
            "completed": {"old": NOW + 5},
            "de:d": "new",
            "dn:d": None,
            "new": {"deid": "d", "data": "1", "timestamp": str(NOW + 5)},
        },
    },
    "nothing is kept for later while the owner only waits": {
        "before": [add(job("old", **KEEP_LAST))],
        "call": add(job("new", **KEEP_LAST)),
        "reply": [Added("old", False)],
        "after": {"wait": ["old"], "dn:d": None},
        "events": [KEPT_OUT],
    },
    "a running owner is not replaced, but the last one is kept": {
        "before": [add(job("old", replace=True)), claim],
        "call": add(job("new", replace=True, **KEEP_LAST)),
        "after": {"active": ["old"], "old:lock": "tok", "de:d": "old", "dn:d": LATER},
        "events": [KEPT_OUT],
    },
    "a delayed owner is due when the other one would have been": {
        "before": [add(job("old", delay_ms=500), job("x", delay_ms=900, plain=True))],
        "call": add(job("new", delay_ms=900, reschedule=True)),
        "reply": [Added("old", False)],
        "after": {
            "delayed": {"x": (NOW + 900) * 4096, "old": (NOW + 900) * 4096 + 1},
            "old": {"delay": "900"},
            "marker": {"1": NOW + 900},
        },
        "events": [KEPT_OUT, f"delayed jobId=old delay={NOW + 900}"],
    },
    "an owner that is not delayed stays where it is": {
        "before": [add(job("old"))],
        "call": add(job("new", delay_ms=900, reschedule=True)),
        "after": {"wait": ["old"]},
        "events": [KEPT_OUT],
    },
    "of one list the first one counts": {
        "call": add(job("a"), job("b"), job("c", plain=True)),
        "reply": [Added("a", True), Added("a", False), Added("c", True)],
        "after": {"wait": ["c", "a"], "de:d": "a", "id": "3"},
    },
    "of one list the last one replaces": {
        "call": add(
            job("a", delay_ms=5, replace=True),
            job("b", delay_ms=5, replace=True),
            job("a", delay_ms=9, replace=True),
        ),
        "reply": [Added("a", True), Added("b", True), Added("a", True)],
        "after": {"delayed": {"a": (NOW + 9) * 4096}, "b": None, "de:d": "a"},
    },
    "an id kept out can be tried again in the same list": {
        "before": [add(job("old"))],
        "call": add(job("new"), job("new", id="e")),
        "reply": [Added("old", False), Added("new", True)],
        "after": {"wait": ["new", "old"], "de:d": "old", "de:e": "new"},
    },
    "a call made again after a lost reply keeps the same job out": {
        "before": [add(job("old")), add(job("new"))],
        "call": add_again(job("new")),
        "reply": [Added("old", False)],
        "after": {"wait": ["old"], "de:d": "old", "new": None},
    },
    "a call made again stores no second one when the first was kept and added since": {
        "before": [
            add(job("old", **KEEP_LAST)),
            claim,
            add(job("new", **KEEP_LAST)),
            complete("old"),
            claim,
            complete("new"),
            ("ZREM", "completed", "new"),
            ("DEL", "new"),
        ],
        "call": add_again(job("new", **KEEP_LAST)),
        "reply": [Added("new", True)],
        "after": {"completed": {"old": NOW + 5}, "de:d": None},
        "events": [],
    },
    "the owner is read": {
        "before": [add(job("old"))],
        "call": lambda keys: read_owner(keys, "d"),
        "reply": "old",
    },
    "nobody owns the id": {"call": lambda keys: read_owner(keys, "d"), "reply": None},
    "an id is freed": {
        "before": [add(job("old"))],
        "call": lambda keys: release(keys, "d"),
        "reply": True,
        "after": {"wait": ["old"], "de:d": None},
    },
    "there is no id to free": {"call": lambda keys: release(keys, "d"), "reply": False},
    "a job frees its id": {
        "before": [add(job("old", ttl=60_000))],
        "call": lambda keys: release_of_job(keys, "old"),
        "reply": True,
        "after": {"wait": ["old"], "de:d": None},
    },
    "a job does not free another's id": {
        "before": [add(job("old")), ("SET", "de:d", "other")],
        "call": lambda keys: release_of_job(keys, "old"),
        "reply": False,
        "after": {"wait": ["old"], "de:d": "other"},
    },
    "a job without an id frees none": {
        "before": [add(job("a", plain=True))],
        "call": lambda keys: release_of_job(keys, "a"),
        "reply": False,
    },
}


@pytest.mark.parametrize("case", TABLE.values(), ids=TABLE)
async def test_deduplication(case, check):
    await check(**case)


async def test_a_job_that_is_not_there_frees_nothing(check):
    with pytest.raises(JobNotFound, match=r"^no job 'x' in queue 'orders'$"):
        await check(call=lambda keys: release_of_job(keys, "x"))


#: What is left of the time on an id that had 20 of 60 seconds left when a second job came.
FRESH, RUNNING, NONE = range(59_000, 60_001), range(19_000, 20_001), range(-1, 0)

TIMES = {
    "the time goes on": ({"ttl": 60_000}, 0, RUNNING),
    "extend begins it anew": ({"ttl": 60_000, "extend": True}, 0, FRESH),
    "a replacing job takes the rest of it": ({"ttl": 60_000, "replace": True}, 500, RUNNING),
    "a replacing job that extends begins it anew": (
        {"ttl": 60_000, "replace": True, "extend": True},
        500,
        FRESH,
    ),
    "a replacing job without a time ends it": ({"replace": True}, 500, NONE),
    "a job that keeps the last one has no time": (
        {"ttl": 60_000, "extend": True, **KEEP_LAST},
        500,
        NONE,
    ),
}


@pytest.mark.parametrize(("rule", "delay_ms", "left_ms"), TIMES.values(), ids=TIMES)
async def test_the_time_of_an_id(sender, redis, keys, rule, delay_ms, left_ms):
    await sender.send(add(job("old", delay_ms=delay_ms, ttl=60_000))(keys))
    await redis.pexpire(keys.deduplication("d"), 20_000)

    await sender.send(add(job("new", **rule))(keys))

    assert await redis.pttl(keys.deduplication("d")) in left_ms


async def test_a_job_kept_for_later_takes_the_time_off(sender, redis, keys):
    await sender.send(add(job("old", ttl=60_000))(keys))
    await sender.send(claim(keys))

    await sender.send(add(job("new", **KEEP_LAST))(keys))

    assert await redis.pttl(keys.deduplication("d")) == -1
