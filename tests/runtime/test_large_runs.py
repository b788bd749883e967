"""Runs that are stored in several calls: nothing starts before all is there."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from toril.adding import JobBuilder
from toril.client import Client
from toril.declarations.flow import Flow, Step
from toril.declarations.schedule import Schedule
from toril.errors import RedisUnavailable
from toril.runtime import chunks
from toril.runtime.fsck import check_queue
from toril.runtime.run_start import start_in_batches
from toril.runtime.schedules import apply_schedules

RUN = "r1"


@pytest.fixture
def flow(rig, monkeypatch):
    """Eleven steps, stored three in a call: six that need nothing, four over them, one over all."""
    monkeypatch.setattr(chunks, "CHUNK_JOBS", 3)
    rig.ran = Counter()

    async def work(job):
        rig.ran[job.id] += 1
        return 1

    rig.job(work, "work")
    rig.job(work, "mail", queue="mails", priority=3)
    leaves = [Step(name=f"a{n}", job="mail" if n % 2 else "work") for n in range(6)]
    middle = [
        Step(name=f"b{n}", job="work", needs=(f"a{n}", f"a{n + 1}", f"a{n + 2}")) for n in range(4)
    ]
    last = Step(name="last", job="work", needs=tuple(step.name for step in middle))
    steps = {step.name: step for step in [*leaves, *middle, last]}
    declared = Flow(name="daily", steps=steps)
    rig.pipeline = replace(rig.pipeline, flows={"daily": declared})
    return declared


def make_client(rig):
    return Client(rig.pipeline, sender=rig.sender, clock=rig.clock)


async def cut_short(rig, calls):
    """Starts the run and stops after so many calls; False: there were no more."""
    builder = JobBuilder(rig.pipeline)
    _, jobs = builder.build_run("daily", {}, run_id=RUN, now_ms=rig.clock.now_ms())
    steps = start_in_batches(rig.pipeline.redis.prefix, jobs, rig.clock)
    call = next(steps)
    for _ in range(calls):
        call = steps.send(await rig.sender.send(call))


async def count_ready(rig):
    keys = [rig.keys(queue) for queue in ("orders", "mails")]
    return sum([await rig.redis.llen(each.wait) for each in keys]) + sum(
        [await rig.redis.zcard(each.prioritized) for each in keys]
    )


async def faults(rig):
    return [
        fault
        for queue in ("orders", "mails")
        for fault in await check_queue(rig.sender, rig.keys(queue))
    ]


async def test_a_large_run_is_stored_in_batches_and_runs_every_step_once(rig, flow):
    run = await make_client(rig).start_flow("daily", {}, run_id=RUN)
    rig.start()

    view = await run.wait("5s")

    assert (run.created, view.state) == (True, "completed")
    assert rig.ran == Counter(f"{RUN}.{name}" for name in flow.steps)
    assert await faults(rig) == []


@pytest.mark.parametrize("calls", range(1, 5))
async def test_a_start_that_was_cut_short_runs_nothing_until_it_is_repeated(rig, flow, calls):
    await cut_short(rig, calls)
    assert await count_ready(rig) == 0
    assert {fault.code for fault in await faults(rig)} <= {"parent-waits-for-nothing"}

    run = await make_client(rig).start_flow("daily", {}, run_id=RUN)
    again = await make_client(rig).start_flow("daily", {}, run_id=RUN)
    rig.start()
    await run.wait("5s")

    assert (run.created, again.created) == (True, False)
    assert rig.ran == Counter(f"{RUN}.{name}" for name in flow.steps)
    assert await faults(rig) == []


async def test_a_large_run_that_goes_on_is_not_started_again(rig, flow):
    client = make_client(rig)
    await client.start_flow("daily", {}, run_id=RUN)
    worker = rig.start()
    await rig.reaches(f"{RUN}.last", "completed")
    await worker.stop(1)

    again = await client.start_flow("daily", {}, run_id=RUN)

    assert again.created is False
    assert await count_ready(rig) == 0


@pytest.mark.parametrize("script", ["add", "release_run"])
async def test_a_large_run_whose_replies_are_lost_is_started_once(rig, flow, monkeypatch, script):
    client, lost = make_client(rig), Counter()
    send = client.send

    async def send_and_lose(call):
        reply = await send(call)
        if call.script == script and lost[script] < 2:
            lost[script] += 1
            raise RedisUnavailable("lost")
        return reply

    monkeypatch.setattr(client, "send", send_and_lose)
    run = await client.start_flow("daily", {}, run_id=RUN)
    rig.start()
    await run.wait("5s")

    assert run.created is True
    assert rig.ran == Counter(f"{RUN}.{name}" for name in flow.steps)
    assert await faults(rig) == []


async def test_a_schedule_starts_a_large_run(rig, flow):
    clock = rig.use_virtual_clock()
    schedule = Schedule(name="often", timezone="UTC", every_ms=60_000, flow="daily")
    rig.pipeline = replace(rig.pipeline, schedules={"often": schedule})
    await apply_schedules(rig.sender, rig.pipeline, clock)
    rig.start()

    clock.advance(60)
    async with asyncio.timeout(5):
        while sum(rig.ran.values()) < len(flow.steps):  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    assert set(rig.ran.values()) == {1}
    assert len(rig.hooks.of("toril_job_added")) >= len(flow.steps)
