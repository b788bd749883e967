"""What the clients check and make before anything is sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from toril.adding import (
    AddOptions,
    Deduplication,
    JobBuilder,
)
from toril.declarations.backoff import Backoff
from toril.declarations.flow import Flow, Step
from toril.declarations.job_type import JobType, Retry
from toril.declarations.pipeline import Pipeline
from toril.declarations.queue import Queue
from toril.errors import AddError, InvalidData, InvalidJobId, PayloadTooLarge, UnknownName

NOW_MS = 1_790_000_000_000  # 2026-09-21T14:13:20Z

PIPELINE = Pipeline(
    root=Path("/nowhere"),
    project="test",
    timezone="Europe/Zurich",
    queues={"orders": Queue(name="orders", max_payload=40)},
    jobs={
        "sync": JobType(
            name="sync",
            queue="orders",
            priority=3,
            retry=Retry(attempts=5, backoff=Backoff(type="fixed", delay_ms=1_000)),
            data_schema={"type": "object", "required": ["user"]},
        ),
        "any": JobType(name="any", queue="orders"),
    },
)


@pytest.fixture
def builder() -> JobBuilder:
    return JobBuilder(PIPELINE)


def test_a_job_carries_what_its_type_declares(builder: JobBuilder) -> None:
    job = builder.build("sync", {"user": "u1"}, now_ms=NOW_MS)

    assert (job.queue, job.name, job.data) == ("orders", "sync", b'{"user":"u1"}')
    assert (job.priority, job.delay_ms, job.timestamp_ms) == (3, 0, NOW_MS)
    assert job.opts["attempts"] == 5
    assert job.opts["backoff"] == {"type": "fixed", "delay": 1_000}


def test_generated_ids_differ_and_sort_by_time(builder: JobBuilder) -> None:
    ids = [builder.build("any", {}, now_ms=NOW_MS + n).id for n in range(100)]

    assert sorted(set(ids)) == ids


@pytest.mark.parametrize(
    ("options", "delay_ms"),
    [
        (AddOptions(), 0),
        (AddOptions(delay="5s"), 5_000),
        (AddOptions(delay=1.5), 1_500),
        (AddOptions(delay=timedelta(minutes=1)), 60_000),
        (AddOptions(at="2026-09-21T14:13:30Z"), 10_000),
        (AddOptions(at="2026-09-21T16:13:30"), 10_000),  # Zurich, two hours ahead
        (AddOptions(at=datetime(2026, 9, 21, 14, 13, 30, tzinfo=UTC)), 10_000),
        (AddOptions(at="2020-01-01T00:00:00Z"), 0),
    ],
)
def test_a_job_is_due_after_a_delay_or_at_an_instant(
    builder: JobBuilder, options: AddOptions, delay_ms: int
) -> None:
    assert builder.build("any", {}, options, now_ms=NOW_MS).delay_ms == delay_ms


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (AddOptions(delay="5"), "expected a duration such as 30s, 5m or 1h30m, got '5'"),
        (AddOptions(delay=-1), "expected a time from now on, got -1"),
        (AddOptions(delay=float("nan")), "expected a time from now on, got nan"),
        (
            AddOptions(delay=True),
            "expected seconds, a duration such as '30s' or a timedelta, got True",
        ),
        (
            AddOptions(delay="3651d"),
            "expected a delay of at most 521w3d, that is until 2036-09-18T14:13:20.000Z",
        ),
        (AddOptions(delay="1s", at="2027-01-01"), "expected either delay or at, got both"),
        (
            AddOptions(at=datetime(2027, 1, 1)),
            "expected a datetime with a time zone, got datetime.datetime(2027, 1, 1, 0, 0)",
        ),
        (
            AddOptions(at=5),  # type: ignore[arg-type]
            "expected a datetime with a time zone or ISO 8601 text, got 5",
        ),
        (AddOptions(priority=-1), "expected a priority from 0 to 2097151, got -1"),
        (AddOptions(priority=2_097_152), "expected a priority from 0 to 2097151, got 2097152"),
        (AddOptions(priority=True), "expected a priority from 0 to 2097151, got True"),
        (
            AddOptions(lifo=True, priority=3),
            "expected no lifo for job 'any' of priority 3; pass priority 0 too",
        ),
        (
            AddOptions(lifo=True, delay="1s"),
            "expected no lifo for job 'any', which is delayed",
        ),
    ],
)
def test_wrong_options_are_refused(builder: JobBuilder, options: AddOptions, sentence: str) -> None:
    with pytest.raises(AddError) as caught:
        builder.build("any", {}, options, now_ms=NOW_MS)

    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("wish", "stored"),
    [
        (Deduplication(id="d"), {"id": "d"}),
        (Deduplication(id="d", ttl="10s", extend=True), {"id": "d", "ttl": 10_000, "extend": True}),
        (Deduplication(id="d", replace=True), {"id": "d", "replace": True}),
        (Deduplication(id="d", keep_last=True), {"id": "d", "keepLastIfActive": True}),
        (Deduplication(id="d", ttl=0.5, reschedule=True),
         {"id": "d", "ttl": 500, "reschedule": True}),
    ],
)  # fmt: skip
def test_deduplication_is_stored_as_bullmq_spells_it(
    builder: JobBuilder, wish: Deduplication, stored: dict[str, object]
) -> None:
    job = builder.build("any", {}, AddOptions(deduplicate=wish), now_ms=NOW_MS)

    assert job.opts["deduplication"] == stored
    assert "deduplication" not in builder.build("any", {}, now_ms=NOW_MS).opts


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        (Deduplication(id=""), "expected a deduplication id, got ''"),
        (Deduplication(id="d", ttl=-1), "deduplication ttl: expected a time from now on, got -1"),
        (Deduplication(id="d", extend=True), "a deduplication that extends its ttl needs a ttl"),
    ],
)
def test_deduplication_that_cannot_be_is_refused(
    builder: JobBuilder, wish: Deduplication, sentence: str
) -> None:
    with pytest.raises(AddError) as caught:
        builder.build("any", {}, AddOptions(deduplicate=wish), now_ms=NOW_MS)

    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("job_type", "data", "job_id", "error", "sentence"),
    [
        ("sync", {"user": {1, 2}}, None, InvalidData, "data.user is a set, which JSON cannot hold"),
        (
            "any",
            "x" * 39,
            None,
            PayloadTooLarge,
            "data of job 'any' is 41 bytes of JSON, and queue 'orders' takes at most 40; "
            "store it elsewhere and pass where, or raise the queue's max_payload",
        ),
        ("sync", {}, None, InvalidData, "data of job 'sync': missing key 'user'"),
        ("any", {}, "a:b", InvalidJobId, "job id 'a:b' holds ':', which parts the keys in Redis"),
        ("syncc", {}, None, UnknownName, "no job type 'syncc'; did you mean 'sync'?"),
    ],
)
def test_what_cannot_be_stored_is_refused(
    builder: JobBuilder,
    job_type: str,
    data: Any,
    job_id: str | None,
    error: type[Exception],
    sentence: str,
) -> None:
    with pytest.raises(error) as caught:
        builder.build(job_type, data, AddOptions(id=job_id), now_ms=NOW_MS)

    assert str(caught.value).startswith(sentence)


def test_the_first_fault_in_order_is_told(builder: JobBuilder) -> None:
    """JSON before size, size before schema, schema before id."""
    faults = [
        (float("nan"), InvalidData),
        (["x" * 50], PayloadTooLarge),
        ([], InvalidData),
        ({"user": 1}, InvalidJobId),
    ]

    for data, error in faults:
        with pytest.raises(error):
            builder.build("sync", data, AddOptions(id="0"), now_ms=NOW_MS)


def test_a_tuple_is_checked_as_the_list_it_becomes() -> None:
    listed = JobType(name="list", queue="orders", data_schema={"type": "array"})
    pipeline = Pipeline(
        root=Path("/nowhere"), project="t", queues=PIPELINE.queues, jobs={"list": listed}
    )

    assert JobBuilder(pipeline).build("list", (1, 2), now_ms=NOW_MS).data == b"[1,2]"


FLOW = Flow(
    name="daily",
    inputs={"type": "object", "required": ["user"], "properties": {"user": {"type": "string"}}},
    steps={
        "load": Step(name="load", job="sync", data={"user": "${{ inputs.user }}"}),
        "sum": Step(name="sum", job="any", needs=("load",), data="${{ needs.load.result }}"),
    },
)


@pytest.fixture
def flow_builder() -> JobBuilder:
    return JobBuilder(replace(PIPELINE, flows={"daily": FLOW}))


def test_a_run_is_one_list_of_jobs_under_one_id(flow_builder: JobBuilder) -> None:
    run_id, jobs = flow_builder.build_run("daily", {"user": "u1"}, run_id="r1", now_ms=NOW_MS)

    assert run_id == "r1"
    assert [job.id for job in jobs] == ["r1.sum", "r1.load"]
    assert jobs[1].data == b'{"user":"u1"}'


@pytest.mark.parametrize(
    ("flow", "inputs", "run_id", "error", "sentence"),
    [
        ("dayly", {}, None, UnknownName, "no flow 'dayly'; did you mean 'daily'?"),
        ("daily", {}, None, InvalidData, "inputs of flow 'daily': missing key 'user'"),
        (
            "daily",
            [1],
            None,
            InvalidData,
            "expected inputs of flow 'daily' to be an object, got [1]",
        ),
        (
            "daily",
            {"user": "u" * 40},
            None,
            PayloadTooLarge,
            "data of job 'sync' is 51 bytes of JSON, and queue 'orders' takes at most 40; "
            "store it elsewhere and pass where, or raise the queue's max_payload",
        ),
        ("daily", {"user": "u"}, "7", InvalidJobId, "run id '7' is an integer, which would"),
    ],
)
def test_a_run_that_cannot_be_stored_is_refused(
    flow_builder: JobBuilder,
    flow: str,
    inputs: Any,
    run_id: str | None,
    error: type[Exception],
    sentence: str,
) -> None:
    with pytest.raises(error) as caught:
        flow_builder.build_run(flow, inputs, run_id=run_id, now_ms=NOW_MS)

    assert str(caught.value).startswith(sentence)
