"""Tests of timers on the clock."""

from __future__ import annotations

import asyncio

import pytest

from toril.clock import SystemClock
from toril.runtime.worker.alarms import Alarms
from toril.testing.virtual_clock import VirtualClock


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
async def alarms(clock: VirtualClock):
    made = Alarms(clock)
    yield made
    await made.close()


async def turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_alarms_ring_at_their_time_in_order(alarms, clock):
    rung: list[str] = []
    alarms.after(3, lambda: rung.append("late"))
    alarms.after(1, lambda: rung.append("early"))
    await turn()

    clock.advance(1)
    await turn()
    assert rung == ["early"]
    clock.advance(2)
    await turn()
    assert rung == ["early", "late"]


async def test_all_that_is_due_rings_at_once(alarms, clock):
    rung: list[int] = []
    for number in (3, 1, 2):
        alarms.after(number, lambda number=number: rung.append(number))
    await turn()

    clock.advance(10)
    await turn()

    assert rung == [1, 2, 3]


async def test_a_cancelled_alarm_does_not_ring(alarms, clock):
    rung: list[str] = []
    alarm = alarms.after(1, lambda: rung.append("cancelled"))
    alarms.after(2, lambda: rung.append("kept"))
    await turn()

    alarm.cancel()
    alarm.cancel()
    clock.advance(5)
    await turn()

    assert rung == ["kept"]


async def test_an_alarm_set_by_an_alarm_rings_even_if_it_is_not_the_next(alarms, clock):
    rung: list[str] = []
    alarms.after(2, lambda: rung.append("second"))
    alarms.after(1, lambda: alarms.after(9, lambda: rung.append("third")))
    await turn()

    for _ in range(3):
        clock.advance(1)
        await turn()
    assert rung == ["second"]
    clock.advance(9)
    await turn()
    assert rung == ["second", "third"]


async def test_thousands_of_cancelled_alarms_do_not_pile_up(alarms, clock):
    kept = alarms.after(3_600, lambda: None)
    for _ in range(10_000):
        alarms.after(60, lambda: None).cancel()

    assert len(alarms._heap) < 1_000
    assert not kept.is_cancelled


async def test_what_is_past_rings_at_the_next_turn(alarms, clock):
    rung: list[str] = []
    alarms.at(clock.monotonic() - 5, lambda: rung.append("past"))

    await turn()

    assert rung == ["past"]


async def test_a_closed_one_rings_no_more_and_may_be_closed_twice(clock):
    rung: list[str] = []
    alarms = Alarms(clock)
    alarms.after(1, lambda: rung.append("x"))
    await turn()

    await alarms.close()
    await alarms.close()
    clock.advance(2)
    await turn()

    assert rung == []


async def test_it_keeps_the_systems_time_too(wait_until):
    rung: list[str] = []
    alarms = Alarms(SystemClock())
    alarms.after(0.01, lambda: rung.append("x"))

    await wait_until(lambda: rung)
    await alarms.close()
