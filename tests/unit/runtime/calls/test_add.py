"""Tests of runtime/calls/add.py: what is sent, and what is refused before."""

from __future__ import annotations

import json

import msgpack
import pytest

from toril.declarations.child_failure import ChildFailure
from toril.errors import AddError, InvalidData, InvalidJobId
from toril.runtime.calls.add import Added, add_jobs
from toril.runtime.codec import JobOpts
from toril.runtime.job import NewJob, ParentLink

NOW = 1_790_000_000_000


def job(**more) -> NewJob:
    fields = {"queue": "orders", "id": "a", "name": "sync", "data": b"{}", "timestamp_ms": NOW}
    return NewJob(**{**fields, **more})


def sent(*jobs: NewJob) -> list[dict]:
    """What the script makes of a call: the shape of each job, with its id and data."""
    call = add_jobs("bull", jobs, now_ms=NOW)
    shapes, flat = (msgpack.unpackb(packed) for packed in call.args[1:3])
    rows = zip(flat[::3], flat[1::3], flat[2::3], strict=True)
    return [{**shapes[number - 1], "id": job_id, "data": data} for number, job_id, data in rows]


def test_each_queue_is_named_once() -> None:
    jobs = [job(), job(id="b", queue="reports"), job(id="c")]

    assert add_jobs("bull", jobs, now_ms=NOW).keys == ("bull:orders:", "bull:reports:")
    assert [one["queue"] for one in sent(*jobs)] == [1, 2, 1]


def test_what_jobs_have_in_common_is_sent_once() -> None:
    opts = JobOpts({"attempts": 5})
    jobs = [job(id=f"{n}x", opts=opts, is_id_new=True, data=b"%d" % n) for n in range(3)]

    call = add_jobs("bull", [*jobs, job(id="own")], now_ms=NOW)

    assert len(msgpack.unpackb(call.args[1])) == 2
    assert [(one["id"], one["data"], one["opts"]) for one in sent(*jobs, job(id="own"))] == [
        ("0x", "0", '{"attempts":5}'),
        ("1x", "1", '{"attempts":5}'),
        ("2x", "2", '{"attempts":5}'),
        ("own", "{}", '{"attempts":0,"jobId":"own"}'),
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"queue": "other"},
        {"name": "other"},
        {"opts": {"attempts": 5}},
        {"timestamp_ms": NOW + 1},
        {"delay_ms": 1},
        {"priority": 1},
        {"lifo": True},
        {"parent": ParentLink(id="p", queue="orders")},
        {"further_parents": (ParentLink(id="p", queue="orders"),)},
        {"waits_for_children": True},
        {"is_held": True},
        {"own": {"t:s": "step"}},
        {"schedule": "hourly"},
        {"is_id_new": False},
    ],
    ids=str,
)
def test_whatever_else_jobs_differ_by_is_kept_apart(change) -> None:
    jobs = [job(is_id_new=True), job(id="b", **{"is_id_new": True, **change})]

    call = add_jobs("bull", jobs, now_ms=NOW)

    assert len(msgpack.unpackb(call.args[1])) == 2


def test_a_jobs_fields_are_all_told_apart_by() -> None:
    """A new field of NewJob needs a line above, or jobs that differ by it are stored alike."""
    assert len(NewJob.__struct_fields__) == 2 + 14


@pytest.mark.parametrize(
    ("jobs", "script"),
    [
        ([job()], "add_plain"),
        ([job(), job(id="b")], "add"),
        ([job(delay_ms=1)], "add"),
        ([job(priority=1)], "add"),
        ([job(lifo=True)], "add"),
        ([job(own={"t:s": "step"})], "add"),
        ([job(schedule="hourly")], "add"),
        ([job(parent=ParentLink(id="p", queue="orders"))], "add"),
        ([job(waits_for_children=True)], "add"),
        ([job(is_held=True)], "add"),
        ([job(opts={"deduplication": {"id": "d"}})], "add"),
    ],
    ids=str,
)
def test_one_job_that_has_nothing_special_is_added_by_the_short_script(jobs, script) -> None:
    assert add_jobs("bull", jobs, now_ms=NOW).script == script


def test_after_a_lost_reply_the_script_asks_what_became_of_the_job() -> None:
    assert add_jobs("bull", [job()], now_ms=NOW, again_since_ms=NOW).script == "add"


def test_options_hold_what_bullmqs_tools_read_there() -> None:
    (one,) = sent(job(opts={"attempts": 5}, delay_ms=10, priority=2, lifo=True))

    assert json.loads(one["opts"]) == {
        "attempts": 5,
        "jobId": "a",
        "delay": 10,
        "priority": 2,
        "lifo": True,
    }


def test_a_child_names_its_parent_twice() -> None:
    link = ParentLink(id="p", queue="reports", on_failure=ChildFailure.WAIT)

    (one,) = sent(job(parent=link))

    assert one["parent_key"] == "bull:reports:p"
    assert one["parent"] == '{"id":"p","queueKey":"bull:reports"}'
    assert json.loads(one["opts"])["parent"] == {"id": "p", "queue": "bull:reports"}


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
