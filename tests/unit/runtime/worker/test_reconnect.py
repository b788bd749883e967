"""Tests of pauses and of what is said during an outage."""

from __future__ import annotations

from typing import Any

import pytest

from toril.errors import RedisUnavailable
from toril.runtime.worker.reconnect import Outage, Pauses
from toril.testing.virtual_clock import VirtualClock

Said = list[tuple[str, Any]]


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def said() -> Said:
    return []


@pytest.fixture
def outage(clock: VirtualClock, said: Said) -> Outage:
    return Outage(clock, lambda event, fields: said.append((event, fields)))


def test_pauses_grow_up_to_a_bound_and_start_over():
    pauses = Pauses()

    grown = [pauses.next_s() for _ in range(1_000)]
    pauses.reset()

    assert 0.1 <= grown[0] <= 0.7
    assert all(3 <= pause <= 3.5 for pause in grown[10:])
    assert pauses.next_s() <= 0.7


def test_pauses_of_several_workers_spread_out():
    assert len({Pauses().next_s() for _ in range(20)}) > 1


def test_an_outage_is_said_once_a_second_and_when_it_is_over(outage, clock, said):
    for _ in range(21):
        outage.failed(RedisUnavailable("no"), during="settling")
        clock.advance(0.1)
    outage.over()
    outage.over()

    assert [event for event, _ in said] == ["redis_unavailable"] * 3 + ["redis_available"]
    assert said[2][1] == {"error": "RedisUnavailable: no", "during": "settling", "for_s": 2.0}
    assert said[3][1] == {"after_s": 2.1}


def test_an_error_that_redis_answers_is_no_outage(outage, said):
    outage.failed(ValueError("WRONGTYPE"), during="settling")
    outage.over()

    assert said == [("call_failed", {"error": "ValueError: WRONGTYPE", "during": "settling"})]


def test_each_outage_has_its_number(outage, clock):
    numbers = []
    for _ in range(2):
        outage.failed(RedisUnavailable("no"), during="settling")
        assert outage.is_on
        numbers.append(outage.number)
        outage.over()

    assert numbers == [1, 2]
    assert not outage.is_on
