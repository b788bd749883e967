"""Tests of the outcome of a run."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from toril.declarations.backoff import BUILTIN_BACKOFFS, Backoff
from toril.declarations.job_type import Keep, KeepRule, Retry
from toril.errors import Delay, RateLimited, Unrecoverable, WaitForChildren
from toril.runtime.calls.claim import Owner
from toril.runtime.calls.settle import settle_and_claim
from toril.runtime.job import StoredJob
from toril.runtime.keys import QueueKeys
from toril.runtime.outcomes import (
    Completed,
    Failed,
    GivenBack,
    MovedToWaitingChildren,
    Postponed,
    Retried,
)
from toril.runtime.worker.decide import MAX_RESULT_BYTES, decide_failure, decide_success

NOW_MS = 1_790_000_000_000


def make_job(*, opts: object = None, made: int = 0, **fields: str) -> StoredJob:
    hash_fields = {b"name": b"sync", b"atm": b"%d" % made, b"ats": b"7"}
    if opts is not None:
        hash_fields[b"opts"] = json.dumps(opts).encode()
    hash_fields |= {name.encode(): value.encode() for name, value in fields.items()}
    return StoredJob("orders", "o1", hash_fields)


def fail(error: BaseException, job: StoredJob | None = None, **given: Any) -> Any:
    job = make_job() if job is None else job
    settings: dict[str, Any] = {"now_ms": NOW_MS, "random_unit": 1.0, **given}
    return decide_failure(job, error, **settings)


def test_a_result_completes_the_job_as_json():
    outcome = decide_success(make_job(), {"synced": 120})

    assert outcome == Completed("o1", b'{"synced":120}', KeepRule(count=1_000), fence=7)


@pytest.mark.parametrize("result", [float("nan"), {1, 2}, object(), {"a": [b"bytes"]}])
def test_a_result_that_is_not_json_fails_the_job_without_a_retry(result):
    outcome = decide_success(make_job(), result, retry=Retry(attempts=5))

    assert isinstance(outcome, Failed)
    assert outcome.reason.startswith("the result")
    assert outcome.attempts == 5


def test_a_circular_result_fails_the_job():
    circular: list[Any] = []
    circular.append(circular)

    assert isinstance(decide_success(make_job(), circular), Failed)


def test_an_oversize_result_fails_the_job_and_says_what_to_do():
    outcome = decide_success(make_job(), "x" * MAX_RESULT_BYTES)

    assert isinstance(outcome, Failed)
    assert outcome.reason == (
        "the result is 16777218 bytes of JSON, expected at most 16777216; store it elsewhere and "
        "return where"
    )


def test_the_jobs_own_keep_rules_win_over_the_declared_ones():
    job = make_job(opts={"removeOnComplete": {"age": 60, "count": 5}, "removeOnFail": True})
    keep = Keep(completed=KeepRule(count=1), failed=KeepRule(count=2))

    completed, failed = decide_success(job, None, keep=keep), fail(OSError("no"), job, keep=keep)

    assert completed.keep == KeepRule(count=5, age_ms=60_000)
    assert failed.keep == KeepRule(count=0)


def test_without_declared_retries_the_first_error_is_the_last():
    outcome = fail(ValueError("bad symbol"))

    assert (outcome.reason, outcome.attempts, outcome.fence) == ("bad symbol", 1, 7)


@pytest.mark.parametrize(("made", "kind"), [(0, Retried), (1, Retried), (2, Failed)])
def test_attempts_count_all_starts(made, kind):
    assert isinstance(fail(OSError("no"), make_job(made=made), retry=Retry(attempts=3)), kind)


def test_the_stored_attempts_and_backoff_win_over_the_declared_ones():
    job = make_job(opts={"attempts": 2, "backoff": {"type": "fixed", "delay": 500}})
    declared = Retry(attempts=1, backoff=Backoff(type="fixed", delay_ms=9_000))

    assert fail(OSError("no"), job, retry=declared).delay_ms == 500


def test_attempts_of_zero_as_node_stores_them_leave_it_to_the_declaration():
    outcome = fail(OSError("no"), make_job(opts={"attempts": 0}), retry=Retry(attempts=2))

    assert isinstance(outcome, Retried)


def test_a_bare_number_is_a_fixed_backoff():
    outcome = fail(OSError("no"), make_job(opts={"attempts": 2, "backoff": 700}))

    assert outcome.delay_ms == 700


def test_a_stored_backoff_has_all_that_toril_writes():
    backoff = {"type": "exponential", "delay": 1000, "max": 3000, "jitter": 0.5}
    job = make_job(opts={"attempts": 9, "backoff": backoff}, made=3)

    assert fail(OSError("no"), job, random_unit=0.0).delay_ms == 1500


def test_a_stored_list_of_delays_is_walked():
    backoff = {"type": "list", "delay": 0, "delays": [100, 200, 300]}

    made_delays = [
        fail(OSError(), make_job(opts={"attempts": 9, "backoff": backoff}, made=made)).delay_ms
        for made in range(4)
    ]

    assert made_delays == [100, 200, 300, 300]


def test_an_unknown_backoff_type_does_not_cost_the_attempts():
    job = make_job(opts={"attempts": 2, "backoff": {"type": "lunar", "delay": 400}})

    outcome = fail(OSError("no"), job)

    assert outcome.delay_ms == 400
    assert "cannot be computed (KeyError('lunar'))" in json.loads(outcome.stacktrace)[0]


def test_a_plugins_backoff_is_asked():
    factories = {**BUILTIN_BACKOFFS, "lunar": lambda b: lambda state: state.attempt_number * 29.5}
    retry = Retry(attempts=3, backoff=Backoff(type="lunar"))

    assert fail(OSError("no"), retry=retry, factories=factories).delay_ms == 29_500


@pytest.mark.parametrize(
    ("error", "retry", "is_retried"),
    [
        (TimeoutError("t"), Retry(attempts=2, on=("TimeoutError",)), True),
        (ConnectionResetError(), Retry(attempts=2, on=("ConnectionError",)), True),
        (ConnectionResetError(), Retry(attempts=2, on=("builtins.OSError",)), True),
        (ValueError("v"), Retry(attempts=2, on=("TimeoutError", "OSError")), False),
        (ValueError("v"), Retry(attempts=2, never_on=("ValueError",)), False),
        (
            UnicodeDecodeError("a", b"", 0, 1, ""),
            Retry(attempts=2, never_on=("ValueError",)),
            False,
        ),
        (json.JSONDecodeError("m", "d", 0), Retry(attempts=2, on=("json.JSONDecodeError",)), True),
        (json.JSONDecodeError("m", "d", 0), Retry(attempts=2, on=("jso.JSONDecodeError",)), False),
        (OSError(), Retry(attempts=2, on=("OSError",), never_on=("OSError",)), False),
        (Unrecoverable("u"), Retry(attempts=2, on=("Unrecoverable",)), False),
        (KeyboardInterrupt(), Retry(attempts=2), True),
    ],
)
def test_errors_are_matched_by_name_or_path_with_their_bases(error, retry, is_retried):
    assert isinstance(fail(error, retry=retry), Retried) is is_retried


@pytest.mark.parametrize(("retry_after", "limit_ms"), [(2, 2000), ("1m", 60_000), (0, 1)])
def test_rate_limited_gives_the_job_back_and_limits_the_queue(retry_after, limit_ms):
    assert fail(RateLimited(retry_after)) == GivenBack("o1", limit_ms=limit_ms, fence=7)


@pytest.mark.parametrize(
    ("until", "until_ms"),
    [
        (datetime(2026, 10, 1, tzinfo=UTC), 1_790_812_800_000),
        (1.5, NOW_MS + 1500),
        ("5m", NOW_MS + 300_000),
    ],
)
def test_delay_postpones_the_job(until, until_ms):
    assert fail(Delay(until)) == Postponed("o1", until_ms=until_ms, fence=7)


@pytest.mark.parametrize(
    ("signal", "reason"),
    [
        (Delay("soon"), "expected a duration such as 30s, 5m or 1h30m, got 'soon'"),
        (
            Delay(datetime(2026, 10, 1)),
            "expected a datetime with a time zone, got datetime.datetime(2026, 10, 1, 0, 0)",
        ),
        (RateLimited(-1), "expected seconds or a duration such as 30s, ten years at most, got -1"),
        (
            RateLimited(float("nan")),
            "expected seconds or a duration such as 30s, ten years at most, got nan",
        ),
        (
            Delay("9999w"),
            "expected seconds or a duration such as 30s, ten years at most, got '9999w'",
        ),
        (
            Delay(datetime(9999, 1, 1, tzinfo=UTC)),
            "expected an instant within ten years, got "
            "datetime.datetime(9999, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)",
        ),
    ],
)
def test_a_signal_that_cannot_be_read_is_a_failed_attempt(signal, reason):
    assert fail(signal).reason == reason


def test_options_that_a_peer_garbled_are_as_none():
    job = make_job(opts=None, name="sync")
    job.fields[b"opts"] = b"{nope"  # type: ignore[index]

    assert isinstance(fail(OSError("no"), job, retry=Retry(attempts=2)), Retried)


def test_numbers_of_a_peer_beyond_all_measure_neither_stop_the_worker_nor_the_retry():
    huge = {
        "attempts": 1e300,
        "backoff": {"type": "fixed", "delay": float("inf")},
        "removeOnComplete": {"count": float("inf"), "age": 1e300},
        "stackTraceLimit": float("inf"),
    }
    opts = json.dumps(huge).replace("Infinity", "1e999").encode()
    job = StoredJob("orders", "o1", {b"name": b"sync", b"opts": opts})
    outcomes = [decide_success(job, 5), fail(ValueError(), job), fail(Unrecoverable(), job)]

    call = settle_and_claim(
        QueueKeys("bull", "orders"),
        owner=Owner("t", 1_000),
        outcomes=outcomes,
        now_ms=NOW_MS,
    )

    assert call.args
    assert [type(outcome) for outcome in outcomes] == [Completed, Retried, Failed]


@pytest.mark.parametrize("has_added", [False, True])
def test_waiting_for_children_spends_no_attempt(has_added):
    outcome = fail(WaitForChildren(), has_added_children=has_added)

    assert outcome == MovedToWaitingChildren("o1", fence=7, has_added=has_added)
