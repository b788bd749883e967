"""Tests of lua/let_go.lua."""

from __future__ import annotations

from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.children import let_go
from toril.runtime.job import NewJob, ParentLink

NOW = 1_790_000_000_000


def job(job_id, *parents, **more):
    links = [ParentLink(id=parent, queue="orders") for parent in parents]
    return NewJob(
        queue="orders",
        id=job_id,
        name="sync",
        data=b"{}",
        timestamp_ms=NOW,
        parent=links[0] if links else None,
        further_parents=tuple(links[1:]),
        **more,
    )


def add(keys):
    parents = [job(name, waits_for_children=True) for name in ("p1", "p2", "p3")]
    children = [job("one", "p1"), job("three", "p1", "p2", "p3"), job("other", "p2", "p1")]
    return add_jobs(keys.prefix, [*parents, *children], now_ms=NOW)


def call(keys):
    names = ("one", "three", "other", "gone")
    return let_go(keys, "p1", [keys.job(name) for name in names])


async def test_children_lose_one_parent_and_keep_the_others(check, redis, keys):
    await check(before=[add], call=call, reply=3, events=[])

    assert await redis.exists(keys.dependencies("p1")) == 0
    for parent in ("p2", "p3"):
        assert keys.job("three").encode() in await redis.smembers(keys.dependencies(parent))
    found = {
        name: await redis.hmget(keys.job(name), "parentKey", "parent", "t:n")
        for name in ("one", "three", "other")
    }
    assert found["one"] == [None, None, None]
    assert found["three"][0] == keys.job("p2").encode()
    assert b'"id":"p2"' in found["three"][1]
    assert keys.job("p3").encode() in found["three"][2].replace(b"\\/", b"/")
    assert found["other"][0] == keys.job("p2").encode()
    assert found["other"][2] is None


async def test_what_has_ended_changes_nothing(check):
    await check(before=[("HSET", "p1:processed", "P:orders:a", "1")], call=call, reply=0, events=[])
