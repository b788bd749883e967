"""Tests of declarations/spans.py."""

from __future__ import annotations

from datetime import timedelta

import pytest

from toril.declarations.spans import read_span_ms, read_timeout_s


@pytest.mark.parametrize(
    ("span", "expected"),
    [(0, 0), (2, 2_000), (0.25, 250), ("250ms", 250), (timedelta(minutes=1), 60_000)],
)
def test_a_span_is_read_from_seconds_text_or_a_timedelta(span: object, expected: int) -> None:
    assert read_span_ms(span) == expected


@pytest.mark.parametrize("span", [-1, float("inf"), float("nan"), True, None, "soon", [1]])
def test_what_is_no_span_is_refused(span: object) -> None:
    with pytest.raises(ValueError, match=r"^expected "):
        read_span_ms(span)


def test_no_timeout_is_none() -> None:
    assert read_timeout_s(None) is None
    assert read_timeout_s("1m") == 60
