"""Tests of runtime/job.py: reading what any peer may have stored."""

from __future__ import annotations

import pytest

from toril.errors import InvalidData
from toril.runtime.job import ClaimedJob, StoredJob

WHOLE = {
    b"name": b"sync",
    b"data": b'{"n":1}',
    b"opts": b'{"attempts":3,"fpof":true}',
    b"timestamp": b"1790000000000",
    b"delay": b"500",
    b"priority": b"2",
    b"processedOn": b"1790000000500",
    b"finishedOn": b"1790000000600",
    b"pb": b"w1",
    b"atm": b"1",
    b"ats": b"2",
    b"stc": b"1",
    b"returnvalue": b'{"ok":true}',
    b"failedReason": b"boom",
    b"stacktrace": b'["one","two"]',
    b"progress": b"40",
    b"parentKey": b"bull:reports:p",
    b"rjk": b"daily",
    b"defa": b"child x failed",
    b"t:o": b"tok#2",
    b"t:f": b"report",
}


def test_a_whole_job() -> None:
    job = StoredJob("orders", "a", WHOLE)

    assert (job.queue, job.id, job.name, job.data) == ("orders", "a", "sync", {"n": 1})
    assert job.opts == {"attempts": 3, "failParentOnFailure": True}
    assert (job.timestamp_ms, job.delay_ms, job.priority) == (1_790_000_000_000, 500, 2)
    assert (job.processed_on_ms, job.finished_on_ms) == (1_790_000_000_500, 1_790_000_000_600)
    assert (job.attempts_made, job.attempts_started, job.stalled_count) == (1, 2, 1)
    assert (job.returnvalue, job.returnvalue_json) == ({"ok": True}, b'{"ok":true}')
    assert (job.failed_reason, job.stacktrace, job.progress) == ("boom", ["one", "two"], 40)
    assert (job.parent_key, job.repeat_key) == ("bull:reports:p", "daily")
    assert (job.deferred_failure, job.processed_by) == ("child x failed", "w1")
    assert job.own == {"t:o": "tok#2", "t:f": "report"}


def test_a_job_with_nothing_but_its_id() -> None:
    job = StoredJob("orders", "a", {})

    assert (job.name, job.data, job.opts) == ("", {}, {})
    assert (job.timestamp_ms, job.delay_ms, job.priority) == (0, 0, 0)
    assert (job.processed_on_ms, job.finished_on_ms, job.processed_by) == (None, None, None)
    assert (job.attempts_made, job.attempts_started, job.stalled_count) == (0, 0, 0)
    assert (job.returnvalue, job.failed_reason, job.stacktrace) == (None, None, [])
    assert (job.progress, job.parent_key, job.repeat_key) == (0, None, None)
    assert (job.deferred_failure, job.own) == (None, {})


@pytest.mark.parametrize("field", [b"data", b"opts"])
def test_what_the_processor_needs_is_refused_when_it_is_broken(field: bytes) -> None:
    job = StoredJob("orders", "a", {field: b"{broken"})

    with pytest.raises(InvalidData):
        getattr(job, field.decode())


def test_what_is_only_shown_is_read_with_tolerance() -> None:
    broken = {
        b"returnvalue": b"undefined",
        b"stacktrace": b"not a list",
        b"progress": b"?",
        b"failedReason": b"\xff",
        b"timestamp": b"NaN",
        b"atm": b"",
        b"delay": b"1e3",
        b"finishedOn": b"1790000000000.0",
    }
    job = StoredJob("orders", "a", broken)

    assert (job.returnvalue, job.stacktrace, job.progress) == (None, [], 0)
    assert (job.failed_reason, job.timestamp_ms, job.attempts_made) == ("\ufffd", 0, 0)
    assert (job.delay_ms, job.finished_on_ms) == (0, 1_790_000_000_000)


def test_data_is_decoded_once() -> None:
    job = StoredJob("orders", "a", WHOLE)

    assert job.data is job.data
    assert job.opts is job.opts


def test_a_job_is_shown_by_its_queue_id_and_name() -> None:
    assert repr(ClaimedJob("orders", "a", {b"name": b"sync"})) == (
        "ClaimedJob(queue='orders', id='a', name='sync')"
    )


def test_results_of_children_are_known_by_their_key() -> None:
    job = ClaimedJob("orders", "a", {}, children={b"bull:orders:c": b"[1]", b"bull:x:d": b"null"})

    assert job.children_results == {"bull:orders:c": [1], "bull:x:d": None}
    assert ClaimedJob("orders", "a", {}).children_results == {}
