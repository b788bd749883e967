"""Backoff: how long each type pauses."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenacity import RetryCallState
from tenacity.wait import wait_base

from toril.declarations.backoff import (
    BUILTIN_BACKOFFS,
    MAX_DELAY_MS,
    Backoff,
    WaitFactory,
    compute_delay_ms,
)


def list_delays(backoff: Backoff | None, count: int = 4) -> list[int]:
    return [compute_delay_ms(backoff, attempt, random_unit=0.5) for attempt in range(1, count + 1)]


@pytest.mark.parametrize(
    ("backoff", "expected_ms"),
    [
        (None, [0, 0, 0, 0]),
        (Backoff(type="fixed", delay_ms=500), [500, 500, 500, 500]),
        (Backoff(type="exponential", delay_ms=1_000), [1_000, 2_000, 4_000, 8_000]),
        (Backoff(type="exponential", delay_ms=1_000, max_ms=3_000), [1_000, 2_000, 3_000, 3_000]),
        (Backoff(type="linear", delay_ms=100), [100, 200, 300, 400]),
        (Backoff(type="list", delays_ms=(10, 20)), [10, 20, 20, 20]),
        (Backoff(type="fixed", delay_ms=1_000, jitter=0.5), [750, 750, 750, 750]),
    ],
)
def test_the_pauses_of_each_type(backoff: Backoff | None, expected_ms: list[int]) -> None:
    assert list_delays(backoff) == expected_ms


def test_random_lies_between_nothing_and_the_delay() -> None:
    delays = list_delays(Backoff(type="random", delay_ms=1_000), 200)

    assert all(0 <= delay <= 1_000 for delay in delays)
    assert len(set(delays)) > 1


@given(
    type=st.sampled_from(sorted(BUILTIN_BACKOFFS)),
    delay_ms=st.integers(0, 10**12),
    attempt=st.integers(1, 10_000),
    jitter=st.floats(0, 1),
    random_unit=st.floats(0, 1),
    max_ms=st.none() | st.integers(0, 10**9),
)
def test_a_delay_is_never_negative_nor_beyond_its_maximum(
    type: str, delay_ms: int, attempt: int, jitter: float, random_unit: float, max_ms: int | None
) -> None:
    backoff = Backoff(
        type=type, delay_ms=delay_ms, jitter=jitter, max_ms=max_ms, delays_ms=(delay_ms,)
    )

    delay = compute_delay_ms(backoff, attempt, random_unit=random_unit)

    assert 0 <= delay <= (MAX_DELAY_MS if max_ms is None else min(max_ms, MAX_DELAY_MS))


@given(delay_ms=st.integers(1, 60_000), attempt=st.integers(1, 30), jitter=st.floats(0, 1))
def test_jitter_takes_at_most_its_share_off(delay_ms: int, attempt: int, jitter: float) -> None:
    backoff = Backoff(type="fixed", delay_ms=delay_ms, jitter=jitter)
    least = compute_delay_ms(backoff, attempt, random_unit=0.0)
    most = compute_delay_ms(backoff, attempt, random_unit=1.0)

    assert delay_ms - 1 <= most <= delay_ms
    assert delay_ms * (1 - jitter) - 1 <= least <= most


class wait_by_error(wait_base):
    """Seconds as many as the error's first argument."""

    def __call__(self, retry_state: RetryCallState) -> float:
        assert retry_state.outcome is not None
        error = retry_state.outcome.exception()
        assert error is not None
        return float(error.args[0])


def test_a_plugins_type_sees_the_error() -> None:
    factories: Mapping[str, WaitFactory] = {"by_error": lambda _: wait_by_error()}

    delay = compute_delay_ms(
        Backoff(type="by_error"), 1, random_unit=0, factories=factories, error=ValueError(7)
    )

    assert delay == 7_000


def test_an_unknown_type_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        compute_delay_ms(Backoff(type="nope"), 1, random_unit=0)
