"""Tests of lua/open_queue, pause, resume, read_counts, and of counting workers."""

from __future__ import annotations

import pytest

from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.claim import Owner
from toril.runtime.calls.queues import (
    Counts,
    FoundWork,
    count_workers,
    find_work,
    name_of_worker,
    open_queue,
    open_queues,
    pause,
    read_counts,
    read_counts_of,
    resume,
)
from toril.runtime.calls.settle import settle_and_claim
from toril.runtime.connection import connect
from toril.runtime.job import NewJob

NOW = 1_790_000_000_000


def job(job_id: str, **more) -> NewJob:
    return NewJob(id=job_id, queue="orders", name="sync", data=b"{}", timestamp_ms=NOW, **more)


def add(*ids: str, **more):
    made = [job(one, **more) for one in ids]
    return lambda keys: add_jobs(keys.prefix, made, now_ms=NOW)


TABLE = {
    "an opened queue shows its version and the cap of its events": {
        "call": open_queue,
        "after": {"meta": {"opts.maxLenEvents": "10000", "version": "toril:0.1.0"}},
    },
    "a queue that Node opened stays as it is": {
        "before": [("HSET", "meta", "version", "bullmq:6.7.0", "opts.maxLenEvents", "99")],
        "call": open_queue,
        "after": {"meta": {"opts.maxLenEvents": "99", "version": "bullmq:6.7.0"}},
    },
    "pausing takes the wake-up tokens away": {
        "before": [add("a")],
        "call": pause,
        "reply": True,
        "after": {"wait": ["a"], "meta": {"paused": "1"}, "marker": None},
        "events": ["paused"],
    },
    "pausing twice is told once": {
        "before": [pause],
        "call": pause,
        "reply": False,
        "events": [],
    },
    "resuming wakes a worker": {
        "before": [pause, add("a")],
        "call": resume,
        "reply": True,
        "after": {"wait": ["a"], "meta": {"paused": None}, "marker": {"0": 0}},
        "events": ["resumed"],
    },
    "resuming tells when the next delayed job is due": {
        "before": [add("a", delay_ms=500), pause],
        "call": resume,
        "after": {"delayed": {"a": (NOW + 500) * 4096}, "marker": {"1": NOW + 500}},
    },
    "resuming what is not paused does nothing": {
        "before": [add("a")],
        "call": resume,
        "reply": False,
        "events": [],
    },
    "what BullMQ v5 put aside runs first": {
        "before": [
            ("RPUSH", "paused", "p2", "p1"),
            ("HSET", "meta", "paused", "1"),
            add("a", "b"),
        ],
        "call": resume,
        "after": {"wait": ["b", "a", "p2", "p1"]},
        "events": ["resumed"],
    },
    "what BullMQ v5 put aside comes back when nothing else waits": {
        "before": [("RPUSH", "paused", "p2", "p1"), ("HSET", "meta", "paused", "1")],
        "call": resume,
        "after": {"wait": ["p2", "p1"], "marker": {"0": 0}},
    },
    "a list left aside comes back even if nothing is paused": {
        "before": [("RPUSH", "paused", "p1"), add("a")],
        "call": resume,
        "reply": False,
        "after": {"wait": ["a", "p1"]},
    },
}


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
async def test_queues(check, row) -> None:
    await check(**row)


async def test_thousands_of_jobs_put_aside_come_back_in_their_order(sender, redis, keys) -> None:
    aside = [f"p{n}" for n in range(2_500)]
    await redis.rpush(keys.paused, *aside)
    await redis.rpush(keys.wait, "a")

    await sender.send(resume(keys))

    assert await redis.lrange(keys.wait, 0, -1) == [b"a", *(one.encode() for one in aside)]


async def test_a_paused_queue_gives_no_job(sender, keys) -> None:
    await sender.send(add("a")(keys))
    await sender.send(pause(keys))

    claim = settle_and_claim(keys, owner=Owner("tok", 30_000), claim=1, now_ms=NOW)

    assert (await sender.send(claim)).jobs == []


async def test_jobs_are_counted_by_state(sender, redis, keys) -> None:
    await sender.send(add("a", "b")(keys))
    await sender.send(add("c", priority=1)(keys))
    await sender.send(add("d", "e", "f", delay_ms=5)(keys))
    await sender.send(settle_and_claim(keys, owner=Owner("t", 30_000), claim=1, now_ms=NOW))
    await redis.rpush(keys.paused, "p1", "p2")
    await redis.zadd(keys.waiting_children, {"w": 1})
    await redis.zadd(keys.completed, {"x": 1, "y": 1})
    await redis.zadd(keys.failed, {"z": 1})
    await sender.send(pause(keys))

    counts = await sender.send(read_counts(keys))

    assert counts == Counts(
        waiting=3,
        prioritized=1,
        delayed=3,
        active=1,
        waiting_children=1,
        completed=2,
        failed=1,
        paused=True,
    )


async def test_queues_are_counted_and_opened_together(sender, redis, keys) -> None:
    await sender.send(open_queues(keys.prefix, ["orders", "reports"]))
    await sender.send(add("a")(keys))

    counts = await sender.send(read_counts_of(keys.prefix, ["orders", "reports"]))

    assert counts == {"orders": Counts(waiting=1), "reports": Counts()}
    assert await redis.hexists(keys.of("reports").meta, "version")


async def test_workers_are_counted_by_the_names_of_their_connections(
    server, sender, keys, wait_until
) -> None:
    names = [
        name_of_worker(keys.prefix, "orders"),
        name_of_worker(keys.prefix, "orders", "w1"),
        f"{name_of_worker(keys.prefix, 'orders')}:qe",
        name_of_worker(keys.prefix, "reports"),
    ]
    clients = [connect(server.url, name=name) for name in names]
    for client in clients:
        await client.ping()

    counts = await sender.send(count_workers(keys.prefix, ["orders", "reports", "none"]))

    assert counts == {"orders": 2, "reports": 1, "none": 0}
    for client in clients:
        await client.aclose()


async def test_work_is_found_where_jobs_wait_and_are_delayed(sender, keys):
    names = ("empty", "waiting", "prioritized", "delayed", "paused")
    places = {name: keys.of(name) for name in names}
    more = {"prioritized": {"priority": 1}, "delayed": {"delay_ms": 500}}
    for name in names[1:]:
        made = NewJob(
            queue=name, id="a", name="sync", data=b"{}", timestamp_ms=NOW, **more.get(name, {})
        )
        await sender.send(add_jobs(keys.prefix, [made], now_ms=NOW))
    await sender.send(pause(places["paused"]))

    found = await sender.send(find_work(list(places.values())))

    assert found == FoundWork(ready=["waiting", "prioritized"], due_ms={"delayed": NOW + 500})
