"""Tests of the words for what went wrong."""

from __future__ import annotations

import json

import pytest

from toril.runtime.job import StoredJob
from toril.runtime.worker.reasons import (
    MAX_REASON,
    MAX_TRACE,
    MAX_TRACES,
    append_trace,
    describe_error,
    format_trace,
)


class Hostile(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


def make_job(*traces: str) -> StoredJob:
    return StoredJob("orders", "o1", {b"stacktrace": json.dumps(traces).encode()})


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("bad symbol"), "bad symbol"),
        (TimeoutError(), "TimeoutError"),
        (ValueError("  "), "ValueError"),
        (KeyError("symbol"), "KeyError: 'symbol'"),
        (SystemExit(3), "SystemExit: 3"),
        (Hostile(), "Hostile"),
        (ValueError("half \ud800 pair"), "half ? pair"),
    ],
)
def test_the_reason_is_the_message_with_the_class_where_that_says_more(error, reason):
    assert describe_error(error) == reason


def test_a_long_reason_is_cut_at_its_end():
    reason = describe_error(ValueError("x" * 100_000))

    assert len(reason) == MAX_REASON
    assert reason.endswith("x... (cut)")


def test_each_attempt_adds_its_trace_at_the_end():
    traces = json.loads(append_trace(make_job("first"), ValueError("second")))

    assert traces == ["first", "ValueError: second"]


def test_only_the_last_traces_are_kept():
    old = [f"attempt {number}" for number in range(50)]

    traces = json.loads(append_trace(make_job(*old), ValueError("new")))

    assert len(traces) == MAX_TRACES
    assert traces[-2:] == ["attempt 49", "ValueError: new"]


@pytest.mark.parametrize(("limit", "expected"), [(0, []), (1, ["ValueError: new"])])
def test_the_jobs_own_limit_of_traces_holds(limit, expected):
    assert json.loads(append_trace(make_job("old"), ValueError("new"), limit=limit)) == expected


def test_a_long_trace_keeps_its_end_where_the_error_is():
    trace = format_trace(ValueError("x" * 100_000 + "the end"))

    assert len(trace) <= MAX_TRACE
    assert trace.endswith("the end")


def test_an_error_that_cannot_be_shown_is_recorded_all_the_same():
    assert "Hostile" in format_trace(Hostile())
