"""Tests of runtime/calls/add.py: what is sent, and what is refused before."""

from __future__ import annotations

import json

import msgpack
import pytest

from toril.declarations.child_failure import ChildFailure
from toril.errors import AddError, InvalidData, InvalidJobId
from toril.runtime.calls.add import Added, add_jobs
from toril.runtime.job import NewJob, ParentLink

NOW = 1_790_000_000_000


def job(**more) -> NewJob:
    fields = {"queue": "orders", "id": "a", "name": "sync", "data": b"{}", "timestamp_ms": NOW}
    return NewJob(**{**fields, **more})


def sent(*jobs: NewJob) -> list[list]:
    call = add_jobs("bull", jobs, now_ms=NOW)
    return msgpack.unpackb(call.args[1], raw=True)


def test_each_queue_is_named_once() -> None:
    jobs = [job(), job(id="b", queue="reports"), job(id="c")]

    assert add_jobs("bull", jobs, now_ms=NOW).keys == ("bull:orders:", "bull:reports:")
    assert [one[0] for one in sent(*jobs)] == [1, 2, 1]


def test_options_hold_what_bullmqs_tools_read_there() -> None:
    (one,) = sent(job(opts={"attempts": 5}, delay_ms=10, priority=2, lifo=True))

    assert json.loads(one[4]) == {
        "attempts": 5,
        "jobId": "a",
        "delay": 10,
        "priority": 2,
        "lifo": True,
    }


def test_a_child_names_its_parent_twice() -> None:
    link = ParentLink(id="p", queue="reports", on_failure=ChildFailure.WAIT)

    (one,) = sent(job(parent=link))

    assert one[10:12] == [b"bull:reports:p", b'{"id":"p","queueKey":"bull:reports"}']
    assert json.loads(one[4])["parent"] == {"id": "p", "queue": "bull:reports"}


def test_the_reply_says_which_jobs_are_new() -> None:
    call = add_jobs("bull", [job(), job(id="b")], now_ms=NOW)

    assert call.parse(b"10") == [Added("a", True), Added("b", False)]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": ""}, "job 'a' has no name"),
        ({"priority": 2**21}, "job 'a': expected a priority of 0 to 2097151, got 2097152"),
        ({"priority": -1}, "job 'a': expected a priority of 0 to 2097151, got -1"),
        (
            {"delay_ms": 400 * 10**9},
            "job 'a': expected a delay of at most ten years, got 400000000000 ms",
        ),
        (
            {"own": {"t:o": "tok#1"}},
            "job 'a' carries fields that own_fields.py does not list: ['t:o']",
        ),
    ],
)
def test_a_job_that_cannot_be_stored_is_refused_before_anything_is_sent(change, sentence) -> None:
    with pytest.raises(AddError) as caught:
        add_jobs("bull", [job(), job(**change)], now_ms=NOW)

    assert str(caught.value) == sentence


def test_bad_ids_and_options_are_refused_too() -> None:
    with pytest.raises(InvalidJobId):
        add_jobs("bull", [job(id="12")], now_ms=NOW)
    with pytest.raises(InvalidData, match=r"^opts.x is a set"):
        add_jobs("bull", [job(opts={"x": {1}})], now_ms=NOW)
