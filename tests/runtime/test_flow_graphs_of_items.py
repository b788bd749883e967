"""Random flows with steps that fan out, random failures, and a retry; against a simple model."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.runtime.graphs import (
    FAIL,
    QUEUES,
    Graphs,
    ended,
    items_of,
    model,
    model_result,
    states,
    step,
)

from toril.declarations.child_failure import ChildFailure

#: With `continue` it depends on who is faster what a step is told of its other needs.
OF_A_STEP = [FAIL, ChildFailure.IGNORE, ChildFailure.REMOVE]
OF_ITEMS = [FAIL, ChildFailure.IGNORE, ChildFailure.CONTINUE, ChildFailure.REMOVE]


@pytest.fixture
def graphs(rig):
    return Graphs(rig)


@st.composite
def flows_and_failures(draw, of_a_step=OF_A_STEP):
    names = [f"s{n}" for n in range(draw(st.integers(1, 6)))]
    steps, can_fail = [], []
    for n, name in enumerate(names):
        needs = draw(st.lists(st.sampled_from(names[:n]), unique=True, max_size=3)) if n else []
        count = draw(st.sampled_from([None, None, 0, 1, 3]))
        steps.append(
            step(
                name,
                *needs,
                job=draw(st.sampled_from(list(QUEUES))),
                on_failure=draw(st.sampled_from(of_a_step if count is None else OF_ITEMS)),
                condition=draw(st.sampled_from([None, None, None, True, False])),
                foreach=None if count is None else list(range(count)),
            )
        )
        can_fail += [name] if count is None else items_of(steps[-1])
    failing = draw(st.sets(st.sampled_from(can_fail), max_size=3)) if can_fail else set()
    return steps, failing


def check_results(view, flow, failing):
    for one in flow.steps.values():
        if one.is_fan_out and view.steps[one.name].state == "completed":
            assert view.steps[one.name].result == model_result(one, failing)


async def settled(graphs, run):
    """Waits until every step, and every item, has ended."""
    view = await ended(run)
    await graphs.is_idle()
    return view


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(drawn=flows_and_failures())
async def test_random_flows_with_items_end_and_are_retried_as_the_model_says(graphs, rig, drawn):
    steps, failing = drawn
    run = await graphs.start(*steps, failing=failing)
    flow = rig.pipeline.flows["graph"]
    workers = [rig.start(), rig.start()]

    view = await settled(graphs, run)

    first = model(flow, failing)
    assert states(view) == first
    check_results(view, flow, failing)
    if "failed" in first.values():
        graphs.failing.clear()
        kept = {name: state for name, state in first.items() if state != "failed"}
        assert set(await run.retry()) == first.keys() - kept.keys()
        view = await settled(graphs, run)
        assert states(view) == model(flow, (), kept)
        order = graphs.order(run.run)
        assert {name for name in order if order.count(name) > 1} <= failing
    for worker in workers:
        await worker.stop(1)
    assert await graphs.faults() == []


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(drawn=flows_and_failures(OF_ITEMS))
async def test_whatever_failures_mean_nothing_runs_twice_and_a_retry_brings_back(
    graphs, rig, drawn
):
    steps, failing = drawn
    run = await graphs.start(*steps, failing=failing)
    workers = [rig.start(), rig.start()]

    view = await settled(graphs, run)

    order = graphs.order(run.run)
    assert len(order) == len(set(order))
    if "failed" in states(view).values():
        graphs.failing.clear()
        await run.retry()
        assert "failed" not in states(await settled(graphs, run)).values()
    for worker in workers:
        await worker.stop(1)
    assert await graphs.faults() == []
