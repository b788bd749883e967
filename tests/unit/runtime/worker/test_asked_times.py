"""Tests of `retry_after`, as errors carry it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from toril.runtime.worker.asked_times import read_retry_after_ms

NOW = datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)
NOW_MS = 1_790_000_000_000


class Busy(Exception):
    def __init__(self, retry_after: Any) -> None:
        super().__init__("busy")
        self.retry_after = retry_after


@pytest.mark.parametrize(
    ("asked", "expected_ms"),
    [
        (30, 30_000),
        (0.25, 250),
        ("30", 30_000),
        (" 120 ", 120_000),
        ("1m30s", 90_000),
        (timedelta(minutes=2), 120_000),
        (NOW + timedelta(seconds=5), 5_000),
        ("Mon, 21 Sep 2026 14:13:50 GMT", 30_000),
        ("Mon, 21 Sep 2026 14:00:00 GMT", 0),
        (10**12, 315_360_000_000),
        (None, None),
    ],
)
def test_what_an_error_asks_for_is_read(asked: Any, expected_ms: int | None) -> None:
    assert read_retry_after_ms(Busy(asked), now_ms=NOW_MS) == expected_ms


@pytest.mark.parametrize(
    "asked", ["soon", "", -1, float("nan"), True, [], NOW.replace(tzinfo=None)]
)
def test_what_cannot_be_read_is_noted_and_asks_for_nothing(asked: Any) -> None:
    error = Busy(asked)

    assert read_retry_after_ms(error, now_ms=NOW_MS) is None
    assert error.__notes__ == [f"retry_after {asked!r} cannot be read; the backoff is used"]


def test_an_error_without_the_attribute_asks_for_nothing() -> None:
    assert read_retry_after_ms(ValueError("no"), now_ms=NOW_MS) is None
