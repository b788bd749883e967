"""Flows that are no trees: several steps need one, several are last; against a simple model."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.runtime.graphs import QUEUES, Graphs, ended, model, states, step

from toril.client import Client
from toril.declarations.child_failure import ChildFailure
from toril.declarations.job_type import Keep, KeepRule
from toril.errors import JobNotFound, WrongState
from toril.runtime.calls.jobs import remove_job, retry_job


@pytest.fixture
def graphs(rig):
    return Graphs(rig)


DIAMOND = (step("a"), step("b", "a", job="other"), step("c", "a"), step("d", "b", "c"))


async def test_steps_that_need_the_same_one_all_get_its_result(graphs, rig):
    run = await graphs.start(*DIAMOND)
    rig.start()

    view = await run.wait("5s")

    assert view.state == "completed"
    assert view.steps["b"].result == {"from": "b", "seen": ["a"]}
    assert view.steps["c"].result == {"from": "c", "seen": ["a"]}
    assert view.steps["d"].result == {"from": "d", "seen": ["b", "c"]}
    assert graphs.order(run.run)[0] == "a"
    assert await graphs.faults() == []


async def test_a_run_of_several_last_steps_gives_all_their_results(graphs, rig):
    run = await graphs.start(step("a"), step("b", "a"), step("c", "a"), step("d"))
    rig.start()

    result = await run.result("5s")

    assert {name: value["from"] for name, value in result.items()} == {"b": "b", "c": "c", "d": "d"}


async def test_one_failing_last_step_fails_the_run_when_the_others_have_ended(graphs, rig):
    run = await graphs.start(step("a"), step("b", "a"), step("c", "a"), failing=["b"])
    rig.start()

    view = await run.wait("5s")

    assert (view.state, states(view)) == (
        "failed",
        {"a": "completed", "b": "failed", "c": "completed"},
    )


async def test_a_failure_reaches_every_step_that_needs_it(graphs, rig):
    run = await graphs.start(*DIAMOND, failing=["a"])
    rig.start()

    view = await ended(run)

    assert set(states(view).values()) == {"failed"}
    assert graphs.order(run.run) == ["a"]
    assert view.steps["c"].error == "step 'a' failed"


async def test_an_ignored_failure_is_ignored_by_every_step_that_needs_it(graphs, rig):
    steps = (step("a", on_failure=ChildFailure.IGNORE), *DIAMOND[1:])
    run = await graphs.start(*steps, failing=["a"])
    rig.start()

    view = await run.wait("5s")

    assert states(view) == {"a": "ignored", "b": "completed", "c": "completed", "d": "completed"}


async def test_the_same_run_started_twice_adds_nothing(graphs, rig):
    run = await graphs.start(*DIAMOND)
    client = Client(rig.pipeline, sender=rig.sender, clock=rig.clock)

    again = await client.start_flow("graph", {}, run_id=run.run)

    assert (run.created, again.created) == (True, False)
    assert await graphs.faults() == []


async def test_a_step_that_is_removed_no_longer_holds_up_those_that_need_it(graphs, rig):
    run = await graphs.start(*DIAMOND)

    await rig.sender.send(remove_job(rig.keys(), f"{run.run}.a"))
    rig.start()

    view = await run.wait("5s")
    assert graphs.order(run.run)[-1] == "d"
    assert view.state == "completed"


async def test_a_failed_step_that_is_retried_holds_up_its_dependents_again(graphs, rig):
    steps = (step("a", on_failure=ChildFailure.IGNORE), step("b", "a"), step("c", "a"), step("w"))
    run = await graphs.start(*steps, failing=["a"])
    worker = rig.start("orders")
    await rig.reaches(f"{run.run}.c", "completed")
    await worker.stop(1)

    await rig.sender.send(retry_job(rig.keys(), f"{run.run}.a", now_ms=rig.clock.now_ms()))

    pending = [
        await rig.redis.smembers(rig.keys().dependencies(f"{run.run}.{name}")) for name in "bc"
    ]
    assert pending == [{rig.keys().job(f"{run.run}.a").encode()}] * 2


async def test_results_of_jobs_that_are_not_kept_reach_every_dependent(graphs, rig):
    jobs = dict(rig.pipeline.jobs)
    keep = Keep(completed=KeepRule(count=0))
    jobs["work"] = replace(jobs["work"], keep=keep)
    rig.pipeline = replace(rig.pipeline, jobs=jobs)
    run = await graphs.start(*DIAMOND)
    rig.start()

    view = await run.wait("5s")

    assert (view.state, view.steps["d"].result["seen"]) == ("completed", ["b", "c"])


@st.composite
def graphs_and_failures(draw):
    names = [f"s{n}" for n in range(draw(st.integers(1, 7)))]
    steps = []
    for n, name in enumerate(names):
        needs = draw(st.lists(st.sampled_from(names[:n]), unique=True, max_size=3)) if n else []
        steps.append(
            step(
                name,
                *needs,
                job=draw(st.sampled_from(list(QUEUES))),
                on_failure=draw(st.sampled_from([ChildFailure.FAIL, ChildFailure.IGNORE])),
                condition=draw(st.sampled_from([None, None, None, True, False])),
            )
        )
    return steps, draw(st.sets(st.sampled_from(names), max_size=3))


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(drawn=graphs_and_failures())
async def test_random_graphs_with_random_failures_end_as_the_model_says(graphs, rig, drawn):
    steps, failing = drawn
    run = await graphs.start(*steps, failing=failing)
    workers = [rig.start(), rig.start()]

    view = await ended(run)
    for worker in workers:
        await worker.stop(1)

    flow = rig.pipeline.flows["graph"]
    assert states(view) == model(flow, failing)
    order = graphs.order(run.run)
    assert len(order) == len(set(order))
    for one in steps:
        for needed in one.needs:
            assert (
                one.name not in order
                or needed not in order
                or (order.index(needed) < order.index(one.name))
            )
    assert await graphs.faults() == []


async def test_a_failed_run_is_retried_from_the_steps_that_failed(graphs, rig):
    run = await graphs.start(*DIAMOND, failing=["b"])
    rig.start()
    await ended(run)
    graphs.failing.clear()

    retried = await run.retry()
    view = await ended(run)

    assert retried == ["b", "d"]
    assert (view.state, set(states(view).values())) == ("completed", {"completed"})
    assert sorted(graphs.order(run.run)) == ["a", "b", "b", "c", "d"]
    assert view.steps["d"].result == {"from": "d", "seen": ["b", "c"]}
    assert await graphs.faults() == []


async def test_a_run_without_a_failed_step_is_not_retried(graphs, rig):
    run = await graphs.start(*DIAMOND)
    rig.start()
    await run.wait("5s")

    with pytest.raises(WrongState, match="no step of run 'r1' of flow 'graph' has failed"):
        await run.retry()


@pytest.mark.parametrize("priority", [0, 3])
async def test_a_step_that_is_to_fail_and_has_not_is_spared_by_a_retry(graphs, rig, priority):
    steps = (step("a"), step("x"), step("b", "a", "x", job="other", priority=priority))
    run = await graphs.start(*steps, failing=["a", "x"])
    rig.start("orders")
    for name in "ax":
        await rig.reaches(f"{run.run}.{name}", "failed")
    graphs.failing.clear()

    retried = await run.retry()
    rig.start("mails")
    view = await run.wait("5s")

    assert sorted(retried) == ["a", "x"]
    assert set(states(view).values()) == {"completed"}
    assert await graphs.faults() == []


def keep_no_failed(rig):
    work = replace(rig.pipeline.jobs["work"], keep=Keep(failed=KeepRule(count=0)))
    rig.pipeline = replace(rig.pipeline, jobs={**rig.pipeline.jobs, "work": work})


async def test_a_run_whose_failed_step_is_not_kept_is_not_retried_at_all(graphs, rig):
    keep_no_failed(rig)
    steps = (step("a"), step("b", "a", job="other"), step("c", job="other"))
    run = await graphs.start(*steps, failing=["a", "c"])
    rig.start()

    view = await ended(run)

    assert states(view) == {"a": "failed", "b": "failed", "c": "failed"}
    assert view.steps["a"].error == "it failed, and its job is not kept"
    sentence = "step 'a' of run 'r1' failed and its job is not kept; start flow 'graph' anew"
    with pytest.raises(WrongState, match=sentence):
        await run.retry()
    assert states(await run.state()) == states(view)


@pytest.mark.parametrize("on_failure", [ChildFailure.IGNORE, ChildFailure.CONTINUE])
async def test_an_ignored_step_that_is_not_kept_was_ignored(graphs, rig, on_failure):
    keep_no_failed(rig)
    run = await graphs.start(step("a", on_failure=on_failure), step("b", "a"), failing=["a"])
    rig.start()

    view = await run.wait("5s")

    assert states(view) == {"a": "ignored", "b": "completed"}
    assert view.steps["a"].error == "a fails"


async def test_runs_are_found_and_listed(graphs, rig):
    runs = [await graphs.start(*DIAMOND) for _ in range(3)]
    client = Client(rig.pipeline, sender=rig.sender, clock=rig.clock)

    listed = await client.list_runs("graph", limit=2)
    found = await client.find_run(runs[1].run)

    assert {one.run for one in listed} < {run.run for run in runs}
    assert len(listed) == 2
    assert (await found.state()).state == "waiting"
    with pytest.raises(JobNotFound, match="no run 'nobody' of any declared flow"):
        await client.find_run("nobody")
