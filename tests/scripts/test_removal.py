"""Tests of lua/drain, clean, obliterate, remove_children, unlink_child."""

from __future__ import annotations

import itertools

import pytest

from toril.declarations.job_type import KeepRule
from toril.errors import JobNotFound, WrongState
from toril.runtime import removal
from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.claim import Owner
from toril.runtime.calls.jobs import add_log, remove_job
from toril.runtime.calls.queues import pause
from toril.runtime.calls.removal import (
    BATCH,
    Batch,
    ChildrenBatch,
    Obliterated,
    clean_batch,
    delete_keys,
    drain_batch,
    find_keys,
    obliterate_batch,
    remove_children_batch,
    unlink_child,
)
from toril.runtime.calls.settle import settle_and_claim
from toril.runtime.job import NewJob, ParentLink
from toril.runtime.outcomes import Completed, Failed
from toril.runtime.removal import remove_family
from toril.runtime.states import JobState
from toril.runtime.steps import walk

NOW = 1_790_000_000_000
OWNER = Owner("tok", 30_000)


def job(job_id: str, queue: str = "orders", *, at: int = NOW, **more) -> NewJob:
    return NewJob(id=job_id, queue=queue, name="sync", data=b"{}", timestamp_ms=at, **more)


def add(*jobs: NewJob | str):
    made = [job(one) if isinstance(one, str) else one for one in jobs]
    return lambda keys: add_jobs(keys.prefix, made, now_ms=NOW)


def claim(count: int = 1, queue: str = "orders"):
    return lambda keys: settle_and_claim(keys.of(queue), owner=OWNER, claim=count, now_ms=NOW)


def finish(*ids: str, at: int = NOW):
    outcomes = [
        Failed(one, "boom", b"[]", KeepRule(), 1)
        if one.startswith("f")
        else Completed(one, b"1", KeepRule())
        for one in ids
    ]
    return lambda keys: settle_and_claim(keys, owner=OWNER, outcomes=outcomes, now_ms=at)


def tick(name: str, state: str = "wait"):
    """A schedule's next tick, moved into a state behind the scripts' back."""
    put = ("LPUSH", state) if state in ("wait", "paused") else ("ZADD", state, "77")
    tick_id = f"repeat:{name}:77"
    return [
        ("HSET", tick_id, "name", "sync", "data", "{}", "rjk", name, "timestamp", NOW),
        ("ZADD", "repeat", "77", name),
        (*put, tick_id),
    ]


def child(job_id: str, of: str, queue: str = "orders") -> NewJob:
    return job(job_id, queue, parent=ParentLink(id=of, queue="orders"))


def parent(job_id: str, **more) -> NewJob:
    return job(job_id, waits_for_children=True, **more)


def drain(state: str, skip: int = 0, size: int = BATCH):
    return lambda keys: drain_batch(keys, state, skip=skip, size=size)


def clean(state: str, latest: int = NOW, skip: int = 0, size: int = BATCH):
    return lambda keys: clean_batch(keys, state, latest_ms=latest, skip=skip, size=size)


def obliterate(force: bool = False, size: int = BATCH):
    return lambda keys: obliterate_batch(keys, force=force, size=size)


def remove_children(job_id: str, *, only_pending: bool = True):
    return lambda keys: remove_children_batch(keys, job_id, only_pending=only_pending)


def removed(n: int, looked_at: int | None = None, *, left: int = 0, is_last: bool = True) -> Batch:
    return Batch((), n, n + left if looked_at is None else looked_at, left, is_last)


def children_gone(removed: int, *, looked_at: int) -> ChildrenBatch:
    return ChildrenBatch(
        removed=removed, cursor=0, locked="", too_large="", is_last=True, looked_at=looked_at
    )


def cleaned(*ids: str, left: int = 0, is_last: bool = True) -> Batch:
    return Batch(ids, len(ids), len(ids) + left, left, is_last)


TABLE = {
    "waiting jobs are drained with all their keys": {
        "before": [add("a", "b"), lambda keys: add_log(keys, "a", "x")],
        "call": drain("wait"),
        "reply": removed(2),
        "after": {"a": None, "b": None, "a:logs": None},
        "events": [],
    },
    "a batch drains the oldest": {
        "before": [add("a", "b", "c")],
        "call": drain("wait", size=2),
        "reply": removed(2, is_last=False),
        "after": {"wait": ["c"], "c": {"name": "sync"}},
    },
    "a schedule's next tick is not drained": {
        "before": [add("a"), *tick("daily"), add("b")],
        "call": drain("wait"),
        "reply": removed(2, left=1),
        "after": {"wait": ["repeat:daily:77"], "repeat:daily:77": {"rjk": "daily"}, "a": None},
    },
    "what earlier calls left is passed over": {
        "before": [*tick("daily"), *tick("weekly"), add("a", "b", "c")],
        "call": drain("wait", skip=1, size=3),
        "reply": removed(2, left=1, is_last=False),
        "after": {"wait": ["c", "repeat:weekly:77", "repeat:daily:77"]},
    },
    "what is left is found from the nearer end": {
        "before": [add("a"), *tick("daily"), *tick("weekly"), add("b", "c")],
        "call": drain("wait", skip=3, size=9),
        "reply": removed(2),
        "after": {"wait": ["repeat:weekly:77", "repeat:daily:77", "a"]},
    },
    "a tick that is not the next one is drained": {
        "before": [*tick("daily"), ("ZADD", "repeat", "99", "daily")],
        "call": drain("wait"),
        "reply": removed(1),
        "after": {"repeat:daily:77": None},
    },
    "what v5 put aside is drained": {
        "before": [add("a"), ("RENAME", "wait", "P:orders:paused")],
        "call": drain("paused"),
        "reply": removed(1),
        "after": {"a": None},
    },
    "prioritized jobs are drained": {
        "before": [add(job("a", priority=2)), *tick("daily", "prioritized")],
        "call": drain("prioritized"),
        "reply": removed(1, left=1),
        "after": {"prioritized": {"repeat:daily:77": 77}},
    },
    "delayed jobs are drained": {
        "before": [add(job("a", delay_ms=5)), *tick("daily", "delayed")],
        "call": drain("delayed"),
        "reply": removed(1, left=1),
        "after": {"delayed": {"repeat:daily:77": 77}, "a": None},
    },
    "a drained job frees its deduplication id": {
        "before": [
            add("a"),
            ("HSET", "a", "deid", "d"),
            ("SET", "de:d", "a"),
            ("HSET", "dn:d", "name", "x"),
        ],
        "call": drain("wait"),
        "after": {"de:d": None, "dn:d": None},
    },
    "a parent goes with its last child, and frees its own deduplication id": {
        "before": [
            add(parent("top"), child("leaf", "top")),
            ("HSET", "top", "deid", "d"),
            ("SET", "de:d", "top"),
        ],
        "call": drain("wait"),
        "reply": removed(1),
        "after": {"top": None, "leaf": None, "de:d": None},
        "events": [],
    },
    "a parent in another queue runs when its last child is drained": {
        "before": [add(parent("top"), child("leaf", "top", "mails"))],
        "call": lambda keys: drain_batch(keys.of("mails"), "wait", skip=0),
        "after": {"wait": ["top"], "P:mails:leaf": None, "marker": {"0": 0}},
        "events": [],
    },
    "an id without a job is drained too": {
        "before": [("LPUSH", "wait", "ghost"), ("SET", "odd", "1"), ("LPUSH", "wait", "odd")],
        "call": drain("wait"),
        "reply": removed(2),
        "after": {"odd": None},
    },
    "nothing is drained of an empty queue": {"call": drain("wait"), "reply": removed(0)},
    "completed jobs are cleaned up to an instant": {
        "before": [
            add("a", "b", "c"),
            claim(3),
            finish("a"),
            finish("b", at=NOW + 5),
            finish("c", at=NOW + 6),
        ],
        "call": clean("completed", NOW + 5),
        "reply": cleaned("a", "b", left=1),
        "after": {"completed": {"c": NOW + 6}, "a": None, "b": None},
        "events": ["cleaned count=2"],
    },
    "failed jobs are cleaned in batches": {
        "before": [add("f1", "f2", "f3"), claim(3), finish("f1", "f2", "f3")],
        "call": clean("failed", size=2),
        "reply": cleaned("f1", "f2", is_last=False),
        "after": {"failed": {"f3": NOW}},
        "events": ["cleaned count=2"],
    },
    "nothing is told of cleaning nothing": {
        "before": [add("a"), claim(), finish("a")],
        "call": clean("completed", NOW - 1),
        "reply": cleaned(left=1),
        "after": {"completed": {"a": NOW}},
        "events": [],
    },
    "waiting jobs are cleaned by when they were added": {
        "before": [add(job("a", at=NOW - 9), job("b"), job("c", at=NOW - 9))],
        "call": clean("wait", NOW - 5),
        "reply": cleaned("a", "c", left=1),
        "after": {"wait": ["b"]},
    },
    "a waiting job that ran before counts from then": {
        "before": [add(job("a", at=NOW - 9)), ("HSET", "a", "processedOn", NOW)],
        "call": clean("wait", NOW - 5),
        "reply": cleaned(left=1),
        "after": {"wait": ["a"]},
    },
    "prioritized jobs are cleaned by when they were added": {
        "before": [
            add(job("a", at=NOW - 9, priority=1), job("b", priority=1)),
            ("HSET", "a", "processedOn", NOW),
        ],
        "call": clean("prioritized", NOW - 5),
        "reply": cleaned("a", left=1),
        "after": {"prioritized": {"b": 2**32 + 2}},
    },
    "delayed jobs are cleaned, but no next tick": {
        "before": [add(job("a", delay_ms=5)), *tick("daily", "delayed")],
        "call": clean("delayed"),
        "reply": cleaned("a", left=1),
        "after": {"delayed": {"repeat:daily:77": 77}},
    },
    "active jobs are cleaned when nobody holds their lock": {
        "before": [add("a", "b"), claim(2), ("DEL", "a:lock")],
        "call": clean("active"),
        "reply": cleaned("a", left=1),
        "after": {"active": ["b"], "a": None, "b:lock": "tok"},
    },
    "a paused queue is obliterated": {
        "before": [
            add("a", "f", job("p", priority=1), job("d", delay_ms=5)),
            add(parent("top"), child("leaf", "top")),
            claim(2),
            finish("a", "f"),
            *tick("daily", "delayed"),
            ("HSET", "repeat:daily", "name", "sync"),
            ("SET", "limiter", "3"),
            ("HSET", "metrics:completed", "count", "1"),
            pause,
        ],
        "call": obliterate(),
        "reply": Obliterated(7, is_last=True),
        "after": {
            **dict.fromkeys(["a", "f", "p", "d", "top", "leaf", "repeat", "repeat:daily"]),
            **dict.fromkeys(["repeat:daily:77", "limiter", "metrics:completed", "events", "pc"]),
            **dict.fromkeys(["id", "marker", "stalled", "top:dependencies"]),
            "meta": {"paused": "1"},
        },
    },
    "a queue is obliterated batch by batch": {
        "before": [add("a", "b", "c"), pause],
        "call": obliterate(size=2),
        "reply": Obliterated(2, is_last=False),
        "after": {"wait": ["c"], "a": None},
    },
    "active jobs are obliterated by force, with their locks": {
        "before": [add("a"), claim(), pause],
        "call": obliterate(force=True),
        "reply": Obliterated(1, is_last=True),
        "after": {"a": None},
    },
    "a schedule's tick that has ended is removed like any job": {
        "before": [
            ("HSET", "repeat:daily:66", "name", "sync", "rjk", "daily"),
            ("ZADD", "completed", NOW, "repeat:daily:66"),
            ("ZADD", "repeat", "77", "daily"),
        ],
        "call": lambda keys: remove_job(keys, "repeat:daily:66"),
        "reply": 1,
        "after": {"repeat:daily:66": None},
        "events": ["removed jobId=repeat:daily:66 prev=completed"],
    },
    "a job is removed without its children": {
        "before": [add(parent("top"), child("leaf", "top"))],
        "call": lambda keys: remove_job(keys, "top", with_children=False),
        "reply": 1,
        "after": {"wait": ["leaf"], "top": None, "leaf": {"name": "sync"}},
        "events": ["removed jobId=top prev=waiting-children"],
    },
    "pending children are removed, and the job runs": {
        "before": [add(parent("top"), child("x", "top"), child("y", "top", "mails"))],
        "call": remove_children("top"),
        "reply": children_gone(2, looked_at=2),
        "after": {"wait": ["top"], "x": None, "P:mails:y": None, "top:dependencies": None},
    },
    "active and failed children stay when pending ones are removed": {
        "before": [
            add(parent("top"), *(child(one, "top") for one in ("f", "a", "w"))),
            claim(2),
            ("HSET", "f", "parent", "{}"),
            finish("f"),
        ],
        "call": remove_children("top"),
        "reply": children_gone(1, looked_at=3),
        "after": {
            "active": ["a"],
            "failed": {"f": NOW},
            "waiting-children": {"top": NOW},
            "a:lock": "tok",
            "top:dependencies": {"P:orders:a", "P:orders:f"},
        },
        "events": ["removed jobId=w prev=wait"],
    },
    "what is below a pending child goes with it": {
        "before": [
            add(
                parent("top"),
                parent("mid", parent=ParentLink(id="top", queue="orders")),
                child("leaf", "mid"),
            )
        ],
        "call": remove_children("top"),
        "reply": children_gone(2, looked_at=1),
        "after": {"wait": ["top"], "mid": None, "leaf": None},
        "events": [
            "removed jobId=leaf prev=wait",
            "waiting jobId=top prev=waiting-children",
            "removed jobId=mid prev=waiting-children",
        ],
    },
    "all children but the last are removed before their job": {
        "before": [add(parent("top"), child("x", "top", "mails"), child("y", "top", "mails"))],
        "call": remove_children("top", only_pending=False),
        "reply": children_gone(1, looked_at=1),
        "after": {"waiting-children": {"top": NOW}},
        "events": [],
    },
    "children that ended are removed before their job": {
        "before": [
            add(parent("top"), child("x", "top"), child("y", "top")),
            claim(2),
            finish("x", "y"),
        ],
        "call": remove_children("top", only_pending=False),
        "reply": children_gone(2, looked_at=2),
        "after": {"wait": ["top"], "x": None, "y": None, "top:processed": None},
    },
    "a child becomes a job by itself": {
        "before": [add(parent("top"), child("leaf", "top"))],
        "call": lambda keys: unlink_child(keys, "leaf"),
        "reply": True,
        "after": {"wait": ["leaf", "top"], "leaf": {"parent": None, "parentKey": None}},
        "events": ["waiting jobId=top prev=waiting-children"],
    },
    "a job that is no child stays as it is": {
        "before": [add("a")],
        "call": lambda keys: unlink_child(keys, "a"),
        "reply": False,
        "after": {"wait": ["a"]},
        "events": [],
    },
}


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
async def test_removing_jobs(check, row) -> None:
    await check(**row)


REFUSED = {
    "queue 'orders' is not paused; only a paused one can go": {
        "before": [add("a")],
        "call": obliterate(),
    },
    "queue 'orders' has active jobs; wait until they have ended, or use force": {
        "before": [add("a"), claim(), pause],
        "call": obliterate(),
    },
}


@pytest.mark.parametrize(("message", "row"), REFUSED.items(), ids=REFUSED)
async def test_a_queue_in_use_is_not_obliterated(check, message, row) -> None:
    with pytest.raises(WrongState) as raised:
        await check(**row)

    assert str(raised.value) == message


@pytest.mark.parametrize("call", [remove_children("nope"), lambda k: unlink_child(k, "nope")])
async def test_an_unknown_job_is_an_error(check, call) -> None:
    with pytest.raises(JobNotFound) as raised:
        await check(call=call)

    assert str(raised.value) == "no job 'nope' in queue 'orders'"


async def test_a_child_whose_parent_is_gone_is_an_error(check) -> None:
    with pytest.raises(JobNotFound) as raised:
        await check(
            before=[add(parent("top"), child("leaf", "top")), ("DEL", "top")],
            call=lambda keys: unlink_child(keys, "leaf"),
        )

    assert str(raised.value) == "the parent of job 'leaf' of queue 'orders' is gone"


async def test_a_family_too_large_for_one_call_is_refused_whole(check) -> None:
    many = [child(f"c{n}", "top") for n in range(1200)]

    await check(
        before=[add(parent("top"), *many[:700]), add(*many[700:])],
        call=lambda keys: remove_job(keys, "top"),
        reply=None,
        events=[],
    )


async def test_a_job_goes_whose_many_children_ended_and_were_not_kept(check, sender, keys) -> None:
    results = [word for n in range(1200) for word in (f"P:orders:c{n}", "1")]
    await check(call=add(parent("top")))
    await check(call=("HSET", "top:processed", *results))

    removed = await walk(remove_family(keys, "top"), sender.send)

    assert removed == 1


@pytest.mark.parametrize("state", [JobState.WAITING, JobState.DELAYED])
@pytest.mark.parametrize("way", ["drain", "clean"])
async def test_others_who_add_faster_do_not_keep_it_from_its_end(sender, keys, state, way) -> None:
    delay_ms, old, added = 1000 * (state is JobState.DELAYED), 2 * BATCH + 1, itertools.count()

    async def add_some(count: int) -> None:
        jobs = [job(f"j{next(added)}", delay_ms=delay_ms) for _ in range(count)]
        await sender.send(add(*jobs)(keys))

    async def send(call):
        reply = await sender.send(call)
        if call.script:
            await add_some(2 * BATCH)
        return reply

    await add_some(old)

    if way == "drain":
        assert await walk(removal.drain(keys, delayed=True), send) == old
    else:
        assert len(await walk(removal.clean(keys, state, latest_ms=NOW), send)) == old


async def test_a_running_child_stops_the_removal_of_all(check, prefix) -> None:
    found = await check(
        before=[add(parent("top"), child("x", "top"), child("y", "top")), claim(2)],
        call=remove_children("top", only_pending=False),
    )

    assert found.removed == 0
    assert found.locked in (f"{prefix}:orders:x", f"{prefix}:orders:y")


async def test_keys_of_a_queue_are_found_by_name_and_deleted(sender, redis, prefix, keys) -> None:
    odd = keys.of("or*ers")
    await redis.set(odd.meta, "1")
    await redis.set(keys.meta, "1")

    found, cursor = set(), 0
    while True:
        cursor, names = await sender.send(find_keys(odd, cursor))
        found.update(names)
        if cursor == 0:
            break

    assert found == {odd.meta}
    assert await sender.send(delete_keys(odd.meta)) == 1
