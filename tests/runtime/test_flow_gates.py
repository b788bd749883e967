"""Gates before jobs of other runtimes; a worker of these tests stands for one."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from toril.client import Client
from toril.declarations.child_failure import ChildFailure
from toril.declarations.flow import Flow, Step
from toril.runtime.calls.jobs import remove_job
from toril.runtime.fsck import check_queue


@pytest.fixture
def start(rig):
    """`await start(*steps)` starts a run `r1`; `mails` is worked as another runtime would."""
    rig.queue("mails", served_by="external")

    async def work(job):
        if job.data.get("fails"):
            raise ValueError("no")
        return job.data

    rig.job(work, "work")
    rig.job(work, "theirs", queue="mails")

    async def start(*steps):
        flow = Flow(name="daily", steps={one.name: one for one in steps})
        rig.pipeline = replace(rig.pipeline, flows={"daily": flow})
        client = Client(rig.pipeline, sender=rig.sender, clock=rig.clock)
        return await client.start_flow("daily", {}, run_id="r1")

    return start


def gated(name, *needs, **fields):
    return Step(name=name, job="theirs", needs=needs, gate="orders", **fields)


async def is_sound(rig):
    queues = ("orders", "mails")
    return not [fault for q in queues for fault in await check_queue(rig.sender, rig.keys(q))]


async def test_a_gate_completes_with_the_result_of_the_job_behind_it(rig, start):
    run = await start(
        Step(name="a", job="work", data={"n": 1}),
        gated("b", "a", data={"n": "${{ needs.a.result.n + 1 }}"}),
        Step(name="c", job="work", needs=("b",), data={"got": "${{ needs.b.result.n }}"}),
    )
    rig.start()

    assert await run.result("5s") == {"got": 2}
    assert await is_sound(rig)


async def test_a_gate_does_not_hold_up_a_step_that_goes_on_at_once(rig, start):
    run = await start(
        Step(name="a", job="work", data={"fails": True}, on_failure=ChildFailure.CONTINUE),
        gated("b"),
        Step(name="c", job="work", needs=("a", "b")),
    )
    rig.start("orders")

    view = await run.wait("5s")

    assert view.steps["c"].state == "completed"
    assert await is_sound(rig)


@pytest.mark.parametrize("on_failure", [ChildFailure.FAIL, ChildFailure.REMOVE])
async def test_a_gate_whose_job_was_removed_by_hand_gives_null(rig, start, on_failure):
    run = await start(gated("b", on_failure=on_failure))
    rig.start("orders")
    await rig.reaches("r1.b", "waiting-children")

    await rig.sender.send(remove_job(rig.keys("mails"), "r1.b.0"))

    view = await run.wait("5s")
    assert (view.steps["b"].state, view.steps["b"].result) == ("completed", None)


async def test_a_retried_run_runs_the_job_behind_a_gate_again(rig, start):
    run = await start(gated("b", data={"fails": True}))
    rig.start()
    assert (await run.wait("5s")).state == "failed"
    changed = {"fails": False}
    await rig.redis.hset(rig.keys("mails").job("r1.b.0"), "data", '{"fails":false}')

    assert await run.retry() == ["b"]

    async with asyncio.timeout(5):
        assert await run.result("5s") == changed
    assert await is_sound(rig)
