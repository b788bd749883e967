"""Tests of lua/set_limits, read_limits, release_rate_limit."""

from __future__ import annotations

import pytest

from toril.declarations.units import Rate
from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.limits import (
    Limits,
    hold,
    read_limits,
    release,
    set_max_active,
    set_rate,
)
from toril.runtime.job import NewJob

NOW = 1_790_000_000_000


def add(job_id: str):
    job = NewJob(id=job_id, queue="orders", name="sync", data=b"{}", timestamp_ms=NOW)
    return lambda keys: add_jobs(keys.prefix, [job], now_ms=NOW)


FULL = [("HSET", "meta", "concurrency", "1"), ("LPUSH", "active", "x"), add("a")]

TABLE = {
    "a bound on active jobs is BullMQ's concurrency": {
        "call": lambda keys: set_max_active(keys, 20),
        "after": {"meta": {"concurrency": "20"}, "marker": None},
        "events": [],
    },
    "a wider bound wakes a worker": {
        "before": FULL,
        "call": lambda keys: set_max_active(keys, 2),
        "after": {"wait": ["a"], "active": ["x"], "marker": {"0": 0}},
    },
    "a bound that is still reached wakes nobody": {
        "before": [*FULL, ("LPUSH", "active", "y")],
        "call": lambda keys: set_max_active(keys, 2),
        "after": {"wait": ["a"], "active": ["y", "x"], "marker": None},
    },
    "a lifted bound wakes a worker": {
        "before": FULL,
        "call": lambda keys: set_max_active(keys, None),
        "after": {
            "wait": ["a"],
            "active": ["x"],
            "meta": {"concurrency": None},
            "marker": {"0": 0},
        },
    },
    "a rate is BullMQ's max and duration": {
        "call": lambda keys: set_rate(keys, Rate(10, 1_000)),
        "after": {"meta": {"max": "10", "duration": "1000"}},
    },
    "a rate is lifted": {
        "before": [("HSET", "meta", "max", "10", "duration", "1000", "paused", "1")],
        "call": lambda keys: set_rate(keys, None),
        "after": {"meta": {"max": None, "duration": None, "paused": "1"}},
    },
    "nothing is limited": {"call": read_limits, "reply": Limits()},
    "limits are read": {
        "before": [("HSET", "meta", "concurrency", "3", "max", "10", "duration", "1000")],
        "call": read_limits,
        "reply": Limits(max_active=3, rate=Rate(10, 1_000)),
    },
    "a peer's numbers that are none are no limits": {
        "before": [("HSET", "meta", "concurrency", "many", "max", "10"), ("SET", "limiter", "x")],
        "call": read_limits,
        "reply": Limits(),
    },
    "a window that is not used up holds nobody": {
        "before": [
            ("HSET", "meta", "max", "10", "duration", "1000"),
            ("SET", "limiter", "9", "PX", 60_000),
        ],
        "call": read_limits,
        "reply": Limits(rate=Rate(10, 1_000)),
    },
    "a counter without an end holds nobody": {
        "before": [("HSET", "meta", "max", "1", "duration", "1000"), ("SET", "limiter", "9")],
        "call": read_limits,
        "reply": Limits(rate=Rate(1, 1_000)),
    },
    "a released limit is gone and wakes a worker": {
        "before": [add("a"), ("DEL", "marker"), ("SET", "limiter", "9", "PX", 60_000)],
        "call": release,
        "reply": True,
        "after": {"wait": ["a"], "limiter": None, "marker": {"0": 0}},
    },
    "there is nothing to release": {"call": release, "reply": False, "after": {"marker": None}},
}


@pytest.mark.parametrize("case", TABLE.values(), ids=TABLE)
async def test_limits(case, check):
    await check(**case)


@pytest.mark.parametrize(
    "before", [[], [("HSET", "meta", "max", "10", "duration", "1000")]], ids=str
)
async def test_a_limit_set_by_hand_holds_with_or_without_a_rate(check, before):
    held = [*before, lambda keys: hold(keys, 60_000)]

    limits = await check(before=held, call=read_limits, after={"limiter": str(2**53 - 1)})

    assert 59_000 < limits.held_ms <= 60_000


async def test_a_used_up_window_holds_for_what_is_left_of_it(check):
    rate = ("HSET", "meta", "max", "10", "duration", "1000")
    used = ("SET", "limiter", "10", "PX", 60_000)

    limits = await check(before=[rate, used], call=read_limits)

    assert 59_000 < limits.held_ms <= 60_000


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda k: set_max_active(k, 0), "expected max_active of 1 to 2147483648, got 0"),
        (lambda k: set_max_active(k, True), "expected max_active of 1 to 2147483648, got True"),
        (lambda k: set_rate(k, Rate(0, 1)), "expected a rate's count of 1 to 2147483648, got 0"),
        (
            lambda k: set_rate(k, Rate(1, 0)),
            "expected a rate's time to be above 0 and at most ten years, got 0 ms",
        ),
        (
            lambda k: hold(k, 0),
            "expected the time of a limit to be above 0 and at most ten years, got 0 ms",
        ),
    ],
    ids=["no job", "no number", "no start", "no time", "no hold"],
)
def test_a_limit_that_would_stop_the_queue_is_refused(keys, make, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        make(keys)
