"""Steps that are skipped, and steps whose failure does not count, on real workers."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from toril.client import Client
from toril.declarations.child_failure import ChildFailure
from toril.declarations.flow import Flow, Step
from toril.runtime.fsck import check_queue


@pytest.fixture
def run_flow(rig):
    """`await run_flow(steps, inputs)`: declares the steps, runs them, and gives how they ended."""
    seen = []

    async def work(job):
        seen.append(job.id.split(".")[1])
        if job.data.get("fails"):
            raise ValueError("no")
        return job.data.get("gives", 1)

    async def run(*steps, inputs=None):
        rig.job(work, "work")
        flow = Flow(name="daily", steps={step.name: step for step in steps})
        rig.pipeline = replace(rig.pipeline, flows={"daily": flow})
        rig.start()
        client = Client(rig.pipeline, sender=rig.sender, clock=rig.clock)
        handle = await client.start_flow("daily", inputs or {}, run_id="r1")
        view = await handle.wait("5s")
        await client.close()
        return view, seen

    return run


def step(name, *needs, **fields):
    return Step(name=name, job="work", needs=needs, **fields)


def states(view):
    return {name: one.state for name, one in view.steps.items()}


async def test_a_step_whose_condition_is_false_completes_without_running(run_flow):
    view, seen = await run_flow(
        step("load", data={"gives": {"rows": 0}}),
        step("mail", "load", condition="${{ needs.load.result.rows > 0 }}"),
    )

    assert (view.state, states(view)) == ("completed", {"load": "completed", "mail": "skipped"})
    assert (seen, view.steps["mail"].result) == (["load"], None)


async def test_a_step_whose_condition_is_true_runs(run_flow):
    view, seen = await run_flow(
        step("load", condition="${{ inputs.wanted }}"),
        step("mail", "load", condition=True),
        inputs={"wanted": True},
    )

    assert (view.state, seen) == ("completed", ["load", "mail"])


async def test_what_needs_a_skipped_step_is_skipped_unless_it_has_a_condition(run_flow):
    view, seen = await run_flow(
        step("a", condition=False),
        step("b", "a"),
        step("c"),
        step("d", "b", "c", condition="${{ needs.b.state == 'skipped' && needs.c.result == 1 }}"),
    )

    assert states(view) == {"a": "skipped", "b": "skipped", "c": "completed", "d": "completed"}
    assert sorted(seen) == ["c", "d"]


async def test_a_step_goes_on_at_once_when_one_it_needs_fails_and_says_so(run_flow, rig):
    released = asyncio.Event()

    async def hold(job):
        await released.wait()

    async def release(job):
        released.set()

    rig.job(hold, "hold")
    rig.job(release, "release")

    view, _ = await run_flow(
        step("a", data={"fails": True}, on_failure=ChildFailure.CONTINUE),
        Step(name="b", job="hold"),
        Step(name="c", job="release", needs=("a", "b")),
        step("d", "a", "b", condition=False),
        step("e", "a", "b", foreach=[1, 2]),
        step("f", "b", "c", "d", "e", condition=True),
    )

    assert states(view) == {
        "a": "ignored",
        "b": "completed",
        "c": "completed",
        "d": "skipped",
        "e": "completed",
        "f": "completed",
    }
    assert await check_queue(rig.sender, rig.keys()) == []


async def test_a_step_may_give_null_and_is_not_skipped_for_that(run_flow):
    view, _ = await run_flow(step("a", data={"gives": None}), step("b", "a"))

    assert states(view) == {"a": "completed", "b": "completed"}


async def test_a_condition_that_gives_no_boolean_fails_the_step(run_flow):
    view, _ = await run_flow(step("a", condition="${{ inputs.n }}"), inputs={"n": 3})

    assert view.state == "failed"
    assert view.steps["a"].error == (
        "whether the step runs cannot be told: 'if' of step 'a' gave 3, not true or false"
    )


@pytest.mark.parametrize("policy", ["ignore", "continue", "remove"])
async def test_a_failure_that_does_not_count_is_ignored(run_flow, policy):
    view, _ = await run_flow(
        step("a", data={"fails": True}, on_failure=ChildFailure(policy)),
        step("b", "a", data={"gives": ["${{ needs.a.state }}", "${{ needs.a.result }}"]}),
    )

    assert (view.state, states(view)) == ("completed", {"a": "ignored", "b": "completed"})
    assert view.steps["b"].result == ["ignored", None]


async def test_a_failure_that_counts_fails_what_needs_it(run_flow):
    view, seen = await run_flow(step("a", data={"fails": True}), step("b", "a"))

    assert (view.state, states(view)) == ("failed", {"a": "failed", "b": "failed"})
    assert (seen, view.steps["b"].error) == (["a"], "step 'a' failed")


async def test_a_run_whose_last_step_may_fail_completes(run_flow):
    view, _ = await run_flow(
        step("a"), step("mail", "a", data={"fails": True}, on_failure=ChildFailure.IGNORE)
    )

    assert (view.state, view.steps["mail"].state) == ("completed", "ignored")
    assert view.steps["mail"].error == "no"


@pytest.mark.parametrize(("fails", "state"), [(False, "completed"), (True, "failed")])
async def test_toril_flow_finished_is_told_when_the_last_steps_have_ended(
    run_flow, rig, wait_until, fails, state
):
    view, _ = await run_flow(step("a"), step("b", "a", data={"fails": fails}), step("c", "a"))

    await wait_until(lambda: rig.hooks.of("toril_flow_finished"))
    told = rig.hooks.of("toril_flow_finished")
    assert {tuple(each.values()) for each in told} == {(view.flow, view.run, state)}
