"""Tests of lua/count_items.lua."""

from __future__ import annotations

import pytest

from toril.runtime.calls.children import ItemCounts, count_items

JOB = ("HSET", "r1.each", "data", '{"items":4}', "t:g", "1")
KEPT = [
    ("SADD", "r1.each:dependencies", "P:orders:r1.slow", "P:orders:r1.each.0"),
    ("HSET", "r1.each:processed", "P:orders:r1.load", "[]", "P:orders:r1.each.1", "1"),
]


def count(keys):
    return count_items(keys, "r1.each", [keys.job("r1.load"), keys.job("r1.slow")])


async def test_items_are_counted_and_needed_steps_are_not(check):
    await check(
        before=[JOB, *KEPT],
        call=count,
        reply=ItemCounts(total=4, pending=1, completed=1, failed=2),
        events=[],
    )


@pytest.mark.parametrize(
    "before", [[], [JOB, ("HSET", "r1.each", "t:d", "{}")], [("HSET", "r1.each", "data", "{}")]]
)
async def test_nothing_is_counted_before_all_items_are_there(check, before):
    await check(before=before, call=count, reply=None)
