"""Flows as jobs: the tree, what is rendered when, and what a step is given."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toril.declarations.child_failure import ChildFailure
from toril.declarations.flow import Flow, Step
from toril.declarations.job_type import JobType, Retry
from toril.declarations.pipeline import Pipeline
from toril.declarations.queue import Queue
from toril.declarations.schedule import Schedule
from toril.errors import AddError, ExpressionError, InvalidData, UnknownName
from toril.runtime.flows import (
    build_run,
    build_triggered_run,
    needs_rendering,
    read_results,
    render_step,
)
from toril.runtime.job import ClaimedJob, NewJob, ParentLink
from toril.runtime.ticks import find_tick

NOW = 1_790_000_000_000

DAILY = Flow(
    name="daily",
    steps={
        "orders": Step(name="orders", job="fetch", data={"report": "${{ inputs.id }}"}),
        "balances": Step(name="balances", job="fetch", data={"plain": 1}),
        "report": Step(
            name="report",
            job="write",
            needs=("orders", "balances"),
            data={"rows": "${{ needs.orders.result.rows }}", "id": "r-${{ inputs.id }}"},
        ),
        "mail": Step(name="mail", job="send", needs=("report",), data={"to": "${{ inputs.to }}"}),
    },
)


def make_pipeline(*flows: Flow) -> Pipeline:
    return Pipeline(
        root=Path("/"),
        project="trading",
        queues={name: Queue(name=name) for name in ("orders", "reports")},
        jobs={
            "fetch": JobType(name="fetch", queue="orders", retry=Retry(attempts=4), priority=3),
            "write": JobType(name="write", queue="reports"),
            "send": JobType(name="send", queue="reports"),
        },
        flows={flow.name: flow for flow in flows},
        schedules={
            "nightly": Schedule(name="nightly", cron="0 0 * * *", flow="daily"),
            "hourly": Schedule(name="hourly", cron="0 * * * *", job="fetch"),
        },
    )


PIPELINE = make_pipeline(DAILY)
INPUTS = {"id": 7, "to": "ops"}


def build(inputs: Mapping[str, Any] = INPUTS, **more: Any) -> dict[str, NewJob]:
    jobs = build_run(PIPELINE, DAILY, inputs, run_id="run1", now_ms=NOW, **more)
    return {job.own["t:s"]: job for job in jobs}


def claim(
    job: NewJob | None = None, children: Mapping[str, Any] | None = None, **fields: str
) -> ClaimedJob:
    stored = {"name": job.name, "data": job.data.decode(), **job.own} if job else fields
    return ClaimedJob(
        job.queue if job else "reports",
        job.id if job else "x",
        {name.encode(): value.encode() for name, value in stored.items()},
        children={
            key.encode(): json.dumps(value).encode() for key, value in (children or {}).items()
        },
    )


def test_a_run_is_a_tree_parents_first() -> None:
    jobs = build_run(PIPELINE, DAILY, INPUTS, run_id="run1", now_ms=NOW)

    assert [(job.id, job.queue, job.name) for job in jobs] == [
        ("run1.mail", "reports", "send"),
        ("run1.report", "reports", "write"),
        ("run1.orders", "orders", "fetch"),
        ("run1.balances", "orders", "fetch"),
    ]
    assert [job.parent and job.parent.id for job in jobs] == [
        None,
        "run1.mail",
        "run1.report",
        "run1.report",
    ]
    assert [job.waits_for_children for job in jobs] == [True, True, False, False]


def test_a_step_is_a_job_of_its_type_that_knows_its_run() -> None:
    orders = build()["orders"]

    assert orders.opts["attempts"] == 4
    assert (orders.priority, orders.timestamp_ms) == (3, NOW)
    assert orders.parent == ParentLink(
        id="run1.report", queue="reports", on_failure=ChildFailure.FAIL
    )
    assert orders.own == {"t:f": "daily", "t:r": "run1", "t:s": "orders"}


def test_data_that_needs_no_result_is_rendered_at_the_start() -> None:
    jobs = build()

    data = {name: json.loads(job.data) for name, job in jobs.items()}

    assert data["orders"] == {"report": 7}
    assert data["balances"] == {"plain": 1}
    assert data["mail"] == {"to": "ops"}
    assert not needs_rendering(claim(jobs["mail"]))


def test_data_that_needs_results_waits_for_them() -> None:
    report = build()["report"]

    assert json.loads(report.data) == DAILY.steps["report"].data
    assert json.loads(report.own["t:d"]) == INPUTS
    assert needs_rendering(claim(report))


def test_a_claimed_step_is_given_its_results() -> None:
    children = {"bull:orders:run1.orders": {"rows": [1, 2]}, "bull:orders:run1.balances": None}
    job = claim(build()["report"], children)

    assert render_step(PIPELINE, job) == {"rows": [1, 2], "id": "r-7"}
    assert read_results(job) == {"orders": {"rows": [1, 2]}, "balances": None}


def test_only_what_is_declared_is_evaluated() -> None:
    report = build()["report"]
    forged = {**claim(report).fields, b"data": b'{"x": "${{ inputs.id }}"}'}
    children = {b"bull:orders:run1.orders": b'{"rows": "${{ inputs.to }}"}'}

    data = render_step(PIPELINE, ClaimedJob("reports", report.id, forged, children=children))

    assert data == {"rows": "${{ inputs.to }}", "id": "r-7"}


def test_a_result_that_is_missing_fails_the_step() -> None:
    with pytest.raises(ExpressionError) as raised:
        render_step(PIPELINE, claim(build()["report"]))

    assert str(raised.value) == (
        "${{ needs.orders.result.rows }} failed: needs has no member 'orders'"
    )


@pytest.mark.parametrize(
    ("flows", "message"),
    [
        ([], "flow 'daily' is not declared any more; add it and retry the job"),
        (
            [Flow(name="daily", steps={"a": Step(name="a", job="fetch")})],
            "flow 'daily' has no step 'report' any more; add it and retry the job",
        ),
    ],
)
def test_a_step_that_is_not_declared_any_more_is_an_error(flows, message) -> None:
    with pytest.raises(UnknownName) as raised:
        render_step(make_pipeline(*flows), claim(build()["report"]))

    assert str(raised.value) == message


def test_inputs_that_are_missing_refuse_the_run() -> None:
    with pytest.raises(ExpressionError) as raised:
        build({})

    assert str(raised.value) == "${{ inputs.to }} failed: inputs has no member 'to'"


def test_data_is_checked_where_it_is_known() -> None:
    seen = []

    build(check_data=lambda job_type, data: seen.append((job_type, data)))

    assert seen == [("send", {"to": "ops"}), ("fetch", {"report": 7}), ("fetch", {"plain": 1})]


def test_data_that_is_refused_refuses_the_run() -> None:
    def refuse(job_type: str, data: Any) -> None:
        raise AddError(f"not for {job_type}")

    with pytest.raises(AddError):
        build(check_data=refuse)


def test_inputs_that_are_not_json_refuse_the_run() -> None:
    with pytest.raises(InvalidData) as raised:
        build({**INPUTS, "x": float("nan")})

    expected = "inputs of flow 'daily'.x is nan, which JSON cannot hold; pass null or text"
    assert str(raised.value) == expected


def test_results_of_a_job_outside_any_run_go_by_job_id() -> None:
    job = claim(None, {"bull:orders:kid": 1, "bull:mails:other": 2}, name="x")

    assert read_results(job) == {"kid": 1, "other": 2}


TRIGGER = {"name": "daily", "rjk": "nightly", "data": '{"id":1,"to":"x"}', "timestamp": "5"}


def tick(job_id: str, **fields: str) -> ClaimedJob:
    stored = {name.encode(): value.encode() for name, value in {**TRIGGER, **fields}.items()}
    return ClaimedJob("reports", job_id, stored)


def test_a_tick_of_a_flows_schedule_stands_for_a_run() -> None:
    trigger = tick("repeat:nightly:77")

    found = find_tick(PIPELINE, trigger)
    assert found is not None
    built = build_triggered_run(PIPELINE, found, trigger, now_ms=NOW)

    assert found.is_trigger
    run_id, jobs = built
    assert (run_id, jobs[0].id) == ("nightly-77", "nightly-77.mail")
    assert json.loads(jobs[2].data) == {"report": 1}


@pytest.mark.parametrize("fields", [{"rjk": "hourly"}, {"rjk": "gone"}, {"name": "fetch"}], ids=str)
def test_other_jobs_stand_for_no_run(fields) -> None:
    job = tick("repeat:x:77", **fields)

    assert find_tick(PIPELINE, job) is None


@st.composite
def trees(draw: st.DrawFn) -> Flow:
    count = draw(st.integers(1, 12))
    dependents = [None, *(draw(st.integers(0, n - 1)) for n in range(1, count))]
    steps = {
        f"s{n}": Step(
            name=f"s{n}",
            job=draw(st.sampled_from(["fetch", "write"])),
            needs=tuple(f"s{m}" for m in range(count) if dependents[m] == n),
        )
        for n in range(count)
    }
    return Flow(name="any", steps=steps)


@given(trees())
def test_every_step_stands_once_and_behind_what_needs_it(flow: Flow) -> None:
    jobs = build_run(make_pipeline(flow), flow, {}, run_id="r", now_ms=NOW)

    ids = [job.id for job in jobs]
    assert sorted(ids) == sorted(f"r.{name}" for name in flow.steps)
    for job in jobs:
        needed = [f"r.{name}" for name in flow.steps[job.own["t:s"]].needs]
        assert job.waits_for_children == bool(needed)
        assert all(ids.index(child) > ids.index(job.id) for child in needed)
