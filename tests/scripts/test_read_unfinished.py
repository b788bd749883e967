"""Counting what is left to do, without the ticks that do not count."""

from __future__ import annotations

from typing import Any

import redis.asyncio as async_redis

from toril.runtime.calls.unfinished import UnfinishedWork, read_unfinished
from toril.runtime.keys import QueueKeys
from toril.runtime.sender import AsyncSender

AFTER_MS = 1_790_000_000_000


async def read(sender: AsyncSender, keys: QueueKeys, *others: str) -> list[UnfinishedWork]:
    return await sender.send(read_unfinished(keys.prefix, [keys.queue, *others], after_ms=AFTER_MS))


async def test_an_empty_queue_has_nothing_left(sender: Any, keys: QueueKeys) -> None:
    assert await read(sender, keys) == [UnfinishedWork(queue="orders")]


async def test_every_state_but_the_finished_ones_counts(
    sender: Any, redis: async_redis.Redis, keys: QueueKeys
) -> None:
    await redis.rpush(keys.wait, "a", "b")
    await redis.rpush(keys.paused, "c")
    await redis.zadd(keys.prioritized, {"d": 1})
    await redis.zadd(keys.delayed, {"e": 7 * 4096 + 3})
    await redis.rpush(keys.active, "f")
    await redis.zadd(keys.waiting_children, {"g": 1})
    await redis.zadd(keys.completed, {"h": 1})
    await redis.zadd(keys.failed, {"i": 1})

    [work] = await read(sender, keys)

    assert work == UnfinishedWork(
        queue="orders", ready=4, delayed=1, active=1, waiting_children=1, due_ms=7
    )
    assert (work.claimable, work.total) == (5, 7)


async def test_later_ticks_do_not_count_and_due_ones_do(
    sender: Any, redis: async_redis.Redis, keys: QueueKeys
) -> None:
    due, later = f"repeat:hourly:{AFTER_MS}", f"repeat:a:b:{AFTER_MS + 1}"
    await redis.zadd(keys.delayed, {later: 4096, due: 3 * 4096})
    await redis.rpush(keys.active, f"repeat:x:{AFTER_MS + 5}", "plain")
    await redis.rpush(keys.wait, f"repeat:y:{AFTER_MS + 5}")

    [work] = await read(sender, keys)

    assert work == UnfinishedWork(queue="orders", delayed=1, active=1, due_ms=3)


async def test_a_paused_queue_says_so(
    sender: Any, redis: async_redis.Redis, keys: QueueKeys
) -> None:
    await redis.hset(keys.meta, "paused", "1")

    orders, reports = await read(sender, keys, "reports")

    assert (orders.is_paused, reports.is_paused) == (True, False)


async def test_a_long_line_is_counted_without_reading_it(
    sender: Any, redis: async_redis.Redis, keys: QueueKeys
) -> None:
    await redis.rpush(keys.wait, *(f"repeat:x:{AFTER_MS + n}" for n in range(1, 1_002)))

    [work] = await read(sender, keys)

    assert work.ready == 1_001


async def test_the_next_ticks_of_any_number_of_schedules_do_not_count(
    sender: Any, redis: async_redis.Redis, keys: QueueKeys
) -> None:
    ticks = {f"s{n}": AFTER_MS + 1 for n in range(1_002)}
    await redis.zadd(keys.repeat, ticks)
    await redis.zadd(keys.delayed, {f"repeat:{name}:{AFTER_MS + 1}": 1 for name in ticks})

    assert await read(sender, keys) == [UnfinishedWork(queue="orders")]
