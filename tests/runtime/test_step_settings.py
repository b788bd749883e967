"""What a step says otherwise than its job: retries, timeout, priority."""

from __future__ import annotations

from dataclasses import replace

import pytest

from toril.client import Client
from toril.declarations.flow import Flow, Step
from toril.declarations.job_type import Retry


@pytest.fixture
def start(rig):
    """`await start(*steps)`: declares a flow of the steps, starts a run `r1`, and a worker."""

    async def start(*steps, **worker):
        flow = Flow(name="daily", steps={one.name: one for one in steps})
        rig.pipeline = replace(rig.pipeline, flows={"daily": flow})
        client = Client(rig.pipeline, sender=rig.sender, clock=rig.clock)
        run = await client.start_flow("daily", {}, run_id="r1")
        rig.start(**worker)
        return run

    return start


async def test_a_step_has_attempts_of_its_own(rig, start):
    ran = []

    async def fail(job):
        ran.append(job.id)
        raise ValueError("no")

    rig.job(fail, "fail", retry=Retry(attempts=2))
    run = await start(
        Step(name="a", job="fail", retry=Retry(attempts=3)),
        Step(name="b", job="fail"),
        Step(name="c", job="fail", retry=Retry(attempts=3, never_on=("ValueError",))),
        Step(name="d", job="fail", foreach=[1], retry=Retry(attempts=4)),
    )

    await run.wait("5s")
    for name in ("a", "b", "c", "d.0"):
        await rig.reaches(f"r1.{name}", "failed")

    counts = {name: ran.count(f"r1.{name}") for name in ("a", "b", "c", "d.0")}
    assert counts == {"a": 3, "b": 2, "c": 1, "d.0": 4}


async def test_a_step_has_a_timeout_of_its_own(rig, start):
    clock = rig.use_virtual_clock()

    async def hang(job):
        await clock.sleep(20)
        return job.id

    rig.job(hang, "hang", timeout_ms=60_000)
    run = await start(Step(name="a", job="hang", timeout_ms=10_000), Step(name="b", job="hang"))
    await rig.reaches("r1.a", "active")
    await rig.reaches("r1.b", "active")

    clock.advance(11)
    await rig.reaches("r1.a", "failed")
    clock.advance(10)

    view = await run.wait("5s")
    assert (view.steps["a"].state, view.steps["b"].state) == ("failed", "completed")
    assert "10s" in view.steps["a"].error


async def test_a_step_has_a_priority_of_its_own(rig, start):
    ran = []

    async def work(job):
        ran.append(job.id)

    rig.job(work, "work", priority=5)
    rig.queue("orders", concurrency=1)
    run = await start(Step(name="late", job="work"), Step(name="early", job="work", priority=1))

    await run.wait("5s")

    assert ran == ["r1.early", "r1.late"]


async def test_what_a_step_says_holds_in_a_process_too(rig, housed):
    housed.job("exits", retry=Retry(attempts=3))
    steps = {
        "a": Step(name="a", job="exits", retry=Retry(attempts=3, never_on=("SystemExit",))),
        "b": Step(name="b", job="exits"),
    }
    rig.pipeline = replace(rig.pipeline, flows={"daily": Flow(name="daily", steps=steps)})
    client = Client(rig.pipeline, sender=rig.sender, clock=rig.clock)
    await client.start_flow("daily", {}, run_id="r1")
    housed.start()

    ended = [await rig.reaches(f"r1.{name}", "failed", within_s=20) for name in steps]

    assert [job.attempts_made for job in ended] == [1, 3]
