"""Tests of lua/add.lua."""

from __future__ import annotations

import pytest

from toril.errors import AddError
from toril.runtime.calls.add import Added, add_jobs
from toril.runtime.job import NewJob, ParentLink

NOW = 1_790_000_000_000


def job(job_id: str, *, queue: str = "orders", **more) -> NewJob:
    fields = {"name": "sync", "data": b"{}", "timestamp_ms": NOW, **more}
    return NewJob(queue=queue, id=job_id, **fields)


def add(*jobs: NewJob):
    return lambda keys: add_jobs(keys.prefix, jobs, now_ms=NOW)


def add_again(*jobs: NewJob):
    return lambda keys: add_jobs(keys.prefix, jobs, now_ms=NOW + 50, again_since_ms=NOW)


def child(job_id: str, parent: str, *, queue: str = "orders", **more) -> NewJob:
    return job(job_id, parent=ParentLink(id=parent, queue="orders"), queue=queue, **more)


def due(ms: int, order: int = 0) -> int:
    return (NOW + ms) * 4096 + order


CASES = {
    "a plain job waits behind the others and wakes a worker": {
        "before": [add(job("old"))],
        "call": add(job("new", data=b'{"n":1}', opts={"attempts": 3})),
        "reply": [Added("new", True)],
        "after": {
            "wait": ["new", "old"],
            "new": {
                "name": "sync",
                "data": '{"n":1}',
                "opts": '{"attempts":3,"jobId":"new"}',
                "timestamp": str(NOW),
                "delay": "0",
                "priority": "0",
                "parentKey": None,
            },
            "marker": {"0": 0},
            "meta": {"opts.maxLenEvents": "10000"},
            "id": "2",
        },
        "events": ["added jobId=new name=sync", "waiting jobId=new"],
    },
    "a LIFO job is next": {
        "before": [add(job("old"))],
        "call": add(job("a", lifo=True), job("b")),
        "after": {
            "wait": ["b", "old", "a"],
            "a": {"opts": '{"attempts":0,"jobId":"a","lifo":true}'},
        },
    },
    "a list keeps its order": {
        "call": add(job("a"), job("b"), job("c")),
        "reply": [Added("a", True), Added("b", True), Added("c", True)],
        "after": {"wait": ["c", "b", "a"], "id": "3"},
        "events": [
            "added jobId=a name=sync",
            "waiting jobId=a",
            "added jobId=b name=sync",
            "waiting jobId=b",
            "added jobId=c name=sync",
            "waiting jobId=c",
        ],
    },
    "jobs with a priority are ordered by it, then by their turn": {
        "call": add(job("a", priority=2), job("b", priority=1), job("c", priority=2)),
        "after": {
            "prioritized": {"a": 2 * 2**32 + 1, "b": 1 * 2**32 + 2, "c": 2 * 2**32 + 3},
            "a": {"priority": "2", "opts": '{"attempts":0,"jobId":"a","priority":2}'},
            "pc": "3",
            "marker": {"0": 0},
        },
    },
    "delayed jobs of one millisecond keep their order and mark the first instant": {
        "call": add(job("a", delay_ms=500), job("b", delay_ms=500), job("c", delay_ms=100)),
        "after": {
            "delayed": {"a": due(500), "b": due(500, 1), "c": due(100)},
            "marker": {"1": NOW + 100},
            "a": {"delay": "500", "opts": '{"attempts":0,"jobId":"a","delay":500}'},
        },
        "events": [
            "added jobId=a name=sync",
            f"delayed jobId=a delay={NOW + 500}",
            "added jobId=b name=sync",
            f"delayed jobId=b delay={NOW + 500}",
            "added jobId=c name=sync",
            f"delayed jobId=c delay={NOW + 100}",
        ],
    },
    "a delayed job with a priority goes to delayed": {
        "call": add(job("a", delay_ms=1, priority=3)),
        "after": {"delayed": {"a": due(1)}, "a": {"priority": "3"}},
    },
    "the last place of a millisecond is shared": {
        "before": [("ZADD", "delayed", due(5, 4095), "x")],
        "call": add(job("a", delay_ms=5)),
        "after": {"delayed": {"x": due(5, 4095), "a": due(5, 4095)}},
    },
    "a paused queue takes jobs without waking anybody": {
        "before": [("HSET", "meta", "paused", "1")],
        "call": add(job("a"), job("b", priority=1)),
        "after": {
            "wait": ["a"],
            "prioritized": {"b": 2**32 + 1},
            "marker": None,
        },
    },
    "a delay is marked on a paused queue too": {
        "before": [("HSET", "meta", "paused", "1")],
        "call": add(job("a", delay_ms=7)),
        "after": {"delayed": {"a": due(7)}, "marker": {"1": NOW + 7}},
    },
    "a queue at its global concurrency wakes nobody": {
        "before": [("HSET", "meta", "concurrency", "1"), ("LPUSH", "active", "x")],
        "call": add(job("a")),
        "after": {"wait": ["a"], "active": ["x"], "marker": None},
    },
    "an id that exists adds nothing": {
        "before": [add(job("a", data=b"1"))],
        "call": add(job("a", data=b"2"), job("b")),
        "reply": [Added("a", False), Added("b", True)],
        "after": {"wait": ["b", "a"], "a": {"data": "1"}, "id": "3"},
        "events": ["duplicated jobId=a", "added jobId=b name=sync", "waiting jobId=b"],
    },
    "an id twice in one list is added once": {
        "call": add(job("a", data=b"1"), job("a", data=b"2")),
        "reply": [Added("a", True), Added("a", False)],
        "after": {"wait": ["a"], "a": {"data": "1"}},
        "events": ["added jobId=a name=sync", "waiting jobId=a", "duplicated jobId=a"],
    },
    "Toril's own fields are stored beside": {
        "call": add(job("a", own={"t:f": "daily", "t:s": "load"})),
        "after": {"wait": ["a"], "a": {"t:f": "daily", "t:s": "load"}},
    },
    "a parent waits for its children over queues": {
        "call": add(
            job("p", waits_for_children=True), child("c", "p"), child("r", "p", queue="reports")
        ),
        "reply": [Added("p", True), Added("c", True), Added("r", True)],
        "after": {
            "waiting-children": {"p": NOW},
            "wait": ["c"],
            "P:reports:wait": ["r"],
            "P:reports:marker": {"0": 0},
            "p:dependencies": {"P:orders:c", "P:reports:r"},
            "c": {
                "parentKey": "P:orders:p",
                "parent": '{"id":"p","queueKey":"P:orders","fpof":true}',
                "opts": '{"attempts":0,"jobId":"c","parent":{"id":"p","queue":"P:orders"},'
                '"fpof":true}',
            },
        },
        "events": [
            "added jobId=p name=sync",
            "waiting-children jobId=p",
            "added jobId=c name=sync",
            "waiting jobId=c",
        ],
    },
    "a parent without any child is released at once": {
        "call": add(job("p", waits_for_children=True)),
        "after": {"wait": ["p"], "marker": {"0": 0}},
        "events": [
            "added jobId=p name=sync",
            "waiting-children jobId=p",
            "waiting jobId=p prev=waiting-children",
        ],
    },
    "a flow added again adds nothing and moves nothing": {
        "before": [add(job("p", waits_for_children=True), child("c", "p"))],
        "call": add(job("p", waits_for_children=True), child("c", "p")),
        "reply": [Added("p", False), Added("c", False)],
        "after": {
            "waiting-children": {"p": NOW},
            "wait": ["c"],
            "p:dependencies": {"P:orders:c"},
        },
        "events": ["duplicated jobId=p", "duplicated jobId=c"],
    },
    "a failed child is not pending again when its flow is added again": {
        "before": [
            add(job("p", waits_for_children=True), child("c", "p"), child("d", "p")),
            ("SREM", "p:dependencies", "P:orders:c"),
            ("ZADD", "p:unsuccessful", NOW, "P:orders:c"),
        ],
        "call": add(job("p", waits_for_children=True), child("c", "p"), child("d", "p")),
        "after": {
            "waiting-children": {"p": NOW},
            "wait": ["d", "c"],
            "p:dependencies": {"P:orders:d"},
        },
    },
    "a job without a parent can be adopted": {
        "before": [add(job("c"))],
        "call": add(job("p", waits_for_children=True), child("c", "p")),
        "reply": [Added("p", True), Added("c", False)],
        "after": {
            "waiting-children": {"p": NOW},
            "wait": ["c"],
            "p:dependencies": {"P:orders:c"},
            "c": {"parentKey": "P:orders:p"},
        },
    },
    "a child whose parent is gone can be adopted": {
        "before": [
            add(job("old", waits_for_children=True), child("c", "old")),
            ("DEL", "old"),
            ("DEL", "waiting-children"),
        ],
        "call": add(job("p", waits_for_children=True), child("c", "p")),
        "after": {
            "waiting-children": {"p": NOW},
            "wait": ["c"],
            "c": {"parentKey": "P:orders:p"},
        },
    },
    "completed children hand over their results, and only the last one releases": {
        "before": [
            add(job("c"), job("d")),
            ("LTRIM", "wait", 1, 0),
            ("HSET", "c", "returnvalue", "7"),
            ("ZADD", "completed", NOW, "c", NOW, "d"),
        ],
        "call": add(
            job("p", waits_for_children=True, priority=4), child("c", "p"), child("d", "p")
        ),
        "after": {
            "completed": {"c": NOW, "d": NOW},
            "prioritized": {"p": 4 * 2**32 + 1},
            "p:processed": {"P:orders:c": "7", "P:orders:d": "null"},
            "p:dependencies": None,
        },
    },
    "events are trimmed before new ones are added": {
        "before": [
            ("HSET", "meta", "opts.maxLenEvents", "0"),
            add(*(job(f"j{n}") for n in range(200))),
        ],
        "call": add(job("a")),
        "events": ["added jobId=a name=sync", "waiting jobId=a"],
    },
    "a cap that is no number is healed": {
        "before": [("HSET", "meta", "opts.maxLenEvents", "many")],
        "call": add(job("a")),
        "after": {"wait": ["a"], "meta": {"opts.maxLenEvents": "10000"}},
    },
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_add(case, check):
    await check(**case)


async def test_a_missing_parent_refuses_the_whole_list(check, redis, keys):
    with pytest.raises(AddError) as caught:
        await check(call=add(job("a"), child("c", "p")))

    assert str(caught.value) == "job 'c' cannot be added: its parent 'p' does not exist"
    assert await redis.keys(f"{keys.prefix}:*") == []


async def test_a_parent_that_stands_behind_its_child_is_missing(check):
    with pytest.raises(AddError, match="its parent 'p' does not exist"):
        await check(call=add(child("c", "p"), job("p", waits_for_children=True)))


async def test_a_child_of_another_living_parent_refuses_the_whole_list(check, redis, keys):
    flow = add(job("old", waits_for_children=True), child("c", "old"))

    with pytest.raises(AddError) as caught:
        await check(before=[flow], call=add(job("p", waits_for_children=True), child("c", "p")))

    assert str(caught.value) == "job 'c' exists and is a child of another parent than 'p'"
    assert await redis.exists(keys.job("p")) == 0


async def test_five_thousand_jobs_fit_one_call(check, redis, keys):
    added = await check(call=add(*(job(f"j{n}") for n in range(5_000))))

    assert all(one.created for one in added)
    assert await redis.llen(keys.wait) == 5_000


AGAIN = {
    "what the lost call stored counts as created, and is left alone": {
        "before": [add(job("a"), job("b", delay_ms=9))],
        "call": add_again(job("a"), job("b", delay_ms=9)),
        "reply": [Added("a", True), Added("b", True)],
        "after": {"wait": ["a"], "delayed": {"b": due(9)}},
        "events": [],
    },
    "what the lost call did not store is stored": {
        "call": add_again(job("a"), job("b", is_id_new=True)),
        "reply": [Added("a", True), Added("b", True)],
        "after": {"wait": ["b", "a"]},
    },
    "a job that was there before the lost call was not created by it": {
        "before": [add(job("a", timestamp_ms=NOW - 1), job("b", opts={"attempts": 2}))],
        "call": add_again(job("a"), job("b")),
        "reply": [Added("a", False), Added("b", False)],
        "after": {"wait": ["b", "a"]},
        "events": ["duplicated jobId=a", "duplicated jobId=b"],
    },
    "a job that has run and was removed meanwhile does not run again": {
        "before": [add(job("a", is_id_new=True)), ("LPOP", "wait"), ("DEL", "a")],
        "call": add_again(job("a", is_id_new=True)),
        "reply": [Added("a", True)],
        "after": {"wait": [], "a": None},
        "events": [],
    },
    "an id that is its caller's may be used again once its job was removed": {
        "before": [add(job("a")), ("LPOP", "wait"), ("DEL", "a")],
        "call": add_again(job("a")),
        "reply": [Added("a", True)],
        "after": {"wait": ["a"]},
    },
    "a child whose parent is gone with it does not come back": {
        "before": [
            add(job("p", waits_for_children=True), child("c", "p", is_id_new=True)),
            ("LPOP", "wait"),
            ("ZREM", "waiting-children", "p"),
            ("DEL", "c", "p:dependencies"),
            ("DEL", "p"),
            ("DEL", "p:dependencies"),
        ],
        "call": add_again(child("c", "p", is_id_new=True)),
        "reply": [Added("c", True)],
        "after": {"wait": [], "c": None, "p": None},
    },
}


@pytest.mark.parametrize("case", AGAIN.values(), ids=AGAIN.keys())
async def test_an_add_made_again_after_a_lost_reply(check, case):
    # The server stamps events with its own time, which these tables know nothing of.
    await check(**case)


async def test_events_are_looked_through_in_pages(check, redis, keys):
    mine = [job(f"j{n}", is_id_new=True) for n in range(1_500)]
    gone = [("DEL", one.id) for one in mine] + [("DEL", "wait")]

    added = await check(before=[add(*mine), *gone], call=add_again(*mine))

    assert all(one.created for one in added)
    assert await redis.exists(keys.wait) == 0
