"""A bell wakes one of those who wait."""

from __future__ import annotations

import asyncio

from toril.runtime.worker.bell import Bell


async def test_a_bell_wakes_one_who_waits() -> None:
    bell = Bell()
    waiting = [asyncio.create_task(bell.wait()) for _ in range(2)]
    await asyncio.sleep(0)

    bell.ring()
    bell.ring()
    await waiting[0]

    assert not waiting[1].done()
    bell.ring()
    await waiting[1]


async def test_a_ring_before_anyone_waits_is_heard_once() -> None:
    bell = Bell()
    bell.ring()

    await bell.wait()

    again = asyncio.create_task(bell.wait())
    await asyncio.sleep(0)
    assert not again.done()
    again.cancel()


async def test_who_is_cancelled_is_passed_over() -> None:
    bell = Bell()
    gone, there = (asyncio.create_task(bell.wait()) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()

    bell.ring()

    await there
