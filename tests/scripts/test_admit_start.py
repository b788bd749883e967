"""Tests of lua/admit_start.lua."""

from __future__ import annotations

import pytest

from toril.declarations.units import Rate
from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.claim import Owner
from toril.runtime.calls.limits import admit_start, hold, set_rate
from toril.runtime.calls.settle import settle_and_claim
from toril.runtime.job import NewJob

NOW = 1_790_000_000_000
KEYED = ("HSET", "meta", "t:k", "[[0,1,5000]]")


def add(**fields):
    job = NewJob(queue="orders", id="a", name="n", data=b"1", timestamp_ms=NOW, **fields)
    return lambda keys: add_jobs(keys.prefix, [job], now_ms=NOW)


def claim(keys):
    return settle_and_claim(keys, owner=Owner("tok", 30_000), claim=1, now_ms=NOW)


def admit(at_ms: int):
    return lambda keys: admit_start(keys, "a", "tok", now_ms=NOW + at_ms)


RATE_OF_ONE = [lambda keys: set_rate(keys, Rate(1, 9_000)), add(), claim]
KEY_RATE_OF_ONE = [KEYED, add(own={"t:k": '["eu"]'}), claim]

TABLE = {
    "a queue without limits lets it start": ([add(), claim], 5, 0),
    "a start that filled the window has it wait for the rest of it": (RATE_OF_ONE, 2_000, 7_000),
    "it may start when the window is over": (RATE_OF_ONE, 9_000, 0),
    "a start of its key has it wait, too": (KEY_RATE_OF_ONE, 2_000, 3_000),
    "it may start when its key's window is over": (KEY_RATE_OF_ONE, 5_000, 0),
}


@pytest.mark.parametrize(("before", "at_ms", "wait_ms"), TABLE.values(), ids=TABLE)
async def test_the_table(check, before, at_ms: int, wait_ms: int) -> None:
    started_ms = NOW if wait_ms else NOW + at_ms

    await check(
        before=before,
        call=admit(at_ms),
        reply=wait_ms,
        after={"active": ["a"], "a:lock": "tok", "a": {"processedOn": str(started_ms)}},
        events=[],
    )


@pytest.mark.parametrize(("before", "at_ms"), [(RATE_OF_ONE, 9_000), (KEY_RATE_OF_ONE, 5_000)])
async def test_it_counts_as_a_start(check, before, at_ms: int) -> None:
    await check(before=[*before, admit(at_ms)], call=admit(at_ms + 1), reply=at_ms - 1)


async def test_a_limit_set_by_hand_has_it_wait(check) -> None:
    wait_ms = await check(before=[add(), claim, lambda keys: hold(keys, 60_000)], call=admit(1))

    assert 0 < wait_ms <= 60_000


async def test_a_job_that_another_has_is_not_counted(check) -> None:
    taken = ("SET", "a:lock", "other")

    await check(before=[*KEY_RATE_OF_ONE, taken], call=admit(5_000), reply=-1, events=[])


async def test_a_job_that_was_removed_is_not_made_anew(check) -> None:
    await check(call=admit(1), reply=-1, after={"a": None}, events=[])
