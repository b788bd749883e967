"""Durations and sizes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toril.declarations.units import (
    DURATION_PATTERN,
    SIZE_PATTERN,
    Rate,
    format_duration,
    format_rate,
    parse_duration_ms,
    parse_rate,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "expected_ms"),
    [
        ("250ms", 250),
        ("30s", 30_000),
        ("5m", 300_000),
        ("1h30m", 5_400_000),
        ("7d", 604_800_000),
        ("2w", 1_209_600_000),
        ("1m5ms", 60_005),
        ("0s", 0),
    ],
)
def test_a_duration_is_read(text: str, expected_ms: int) -> None:
    assert parse_duration_ms(text) == expected_ms


@pytest.mark.parametrize("text", ["", "30", "s", "1.5s", "-5s", "30 s", "30s\n", "30m1h", "5S", 30])
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError) as raised:
        parse_duration_ms(text)

    assert str(raised.value) == f"expected a duration such as 30s, 5m or 1h30m, got {text!r}"


@given(st.integers(0, 10**13))
def test_a_formatted_duration_reads_back_as_the_same(duration_ms: int) -> None:
    text = format_duration(duration_ms)

    assert parse_duration_ms(text) == duration_ms
    assert re.search(DURATION_PATTERN, text)


def test_a_duration_is_formatted_shortly() -> None:
    assert [format_duration(ms) for ms in (0, 250, 90_000, 86_400_000)] == [
        "0s",
        "250ms",
        "1m30s",
        "1d",
    ]


@pytest.mark.parametrize(
    ("text", "expected"), [("1b", 1), ("10kb", 10_240), ("1mb", 1_048_576), ("2gb", 2**31)]
)
def test_a_size_is_read(text: str, expected: int) -> None:
    assert parse_size(text) == expected
    assert re.search(SIZE_PATTERN, text)


@pytest.mark.parametrize("text", ["", "10", "kb", "1.5mb", "10 kb", "10KB", "10kb\n", 10])
def test_anything_else_is_no_size(text: str) -> None:
    with pytest.raises(ValueError) as raised:
        parse_size(text)

    assert str(raised.value) == f"expected a size such as 10kb or 1mb, got {text!r}"


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("10/s", Rate(10, 1_000)),
        ("100/5m", Rate(100, 300_000)),
        ("1/250ms", Rate(1, 250)),
        ("7/2w", Rate(7, 1_209_600_000)),
    ],
)
def test_a_rate_is_read_and_written_alike(text: str, rate: Rate):
    assert parse_rate(text) == rate
    assert format_rate(rate) == text


def test_a_rate_is_written_in_its_largest_unit():
    assert format_rate(parse_rate("3/1000ms")) == "3/s"
    assert format_rate(parse_rate("3/1h")) == "3/h"


@pytest.mark.parametrize("text", ["", "10", "10/", "/s", "0/s", "10/0s", "1.5/s", "10/1h30m", 10])
def test_what_is_no_rate_is_refused(text):
    with pytest.raises(ValueError, match=r"^expected a rate such as 10/s or 100/5m, got "):
        parse_rate(text)
