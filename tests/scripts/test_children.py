"""Tests of lua/count_children.lua, and of reading children page by page."""

from __future__ import annotations

from toril.runtime.calls.children import PAGE, Child, ChildCounts, ChildStand, count_children
from toril.runtime.children import read_children
from toril.runtime.steps import walk

KEPT = [
    ("SADD", "p:dependencies", "P:orders:a", "P:mails:b"),
    ("HSET", "p:processed", "P:orders:c", '{"n":1}'),
    ("HSET", "p:failed", "P:orders:d", "boom"),
    ("ZADD", "p:unsuccessful", 1, "P:orders:e"),
]


def count(keys):
    return count_children(keys, "p")


async def test_children_are_counted_by_how_they_stand(check):
    await check(
        before=KEPT,
        call=count,
        reply=ChildCounts(pending=2, completed=1, ignored=1, failed=1),
        events=[],
    )


async def test_a_job_without_children_has_none(check):
    await check(call=count, reply=ChildCounts(pending=0, completed=0, ignored=0, failed=0))


async def test_children_are_read_with_what_their_parent_knows(check, async_sender, keys):
    await check(before=KEPT, call=count)

    found = await walk(read_children(keys, "p"), async_sender.send)

    assert sorted(found, key=lambda child: child.id) == [
        Child(queue="orders", id="a", stand=ChildStand.PENDING),
        Child(queue="mails", id="b", stand=ChildStand.PENDING),
        Child(queue="orders", id="c", stand=ChildStand.COMPLETED, result={"n": 1}),
        Child(queue="orders", id="d", stand=ChildStand.IGNORED, reason="boom"),
        Child(queue="orders", id="e", stand=ChildStand.FAILED),
    ]


async def test_more_children_than_a_page_holds_are_all_read(async_sender, redis, keys):
    results = {keys.job(f"c{n}"): str(n) for n in range(3 * PAGE)}
    await redis.hset(keys.processed("p"), mapping=results)

    found = await walk(read_children(keys, "p"), async_sender.send)

    assert sorted(child.result for child in found) == list(range(3 * PAGE))
