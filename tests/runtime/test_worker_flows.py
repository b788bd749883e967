"""Tests of the worker: ticks of schedules, triggers of flows, steps and their data."""

from __future__ import annotations

from dataclasses import replace

from toril.declarations.flow import Flow, Step
from toril.declarations.schedule import Schedule
from toril.errors import InvalidData
from toril.runtime.schedules import apply_schedules

RESULT = "${{ needs.load.result.rows }}"


def declare(rig, *, schedules=(), flows=()):
    rig.pipeline = replace(
        rig.pipeline,
        schedules={schedule.name: schedule for schedule in schedules},
        flows={flow.name: flow for flow in flows},
    )


def declare_report(rig):
    rig.job(lambda job: {"rows": job.data["symbol"] * 2}, "load", run_in="async")
    rig.job(lambda job: job.data["rows"] + "!", "report", queue="mails", run_in="async")
    steps = {
        "load": Step(name="load", job="load", data={"symbol": "${{ inputs.symbol }}"}),
        "mail": Step(name="mail", job="report", needs=("load",), data={"rows": RESULT}),
    }
    return Flow(name="daily", steps=steps)


async def test_the_next_tick_is_added_before_the_claimed_one_runs(rig, wait_until):
    clock = rig.use_virtual_clock()
    ticks: list[int] = []
    pending: list[int] = []

    async def sync(job):
        ticks.append(round(job.tick.timestamp() * 1000))
        pending.append(await rig.redis.zcard(rig.keys().delayed))

    rig.job(sync)
    declare(rig, schedules=[Schedule(name="often", every_ms=1000, job="sync", data={"a": 1})])
    await apply_schedules(rig.sender, rig.pipeline, clock)
    rig.start()

    for number in range(1, 4):
        await wait_until(lambda number=number: len(rig.said("job_completed")) == number)
        clock.advance(1)

    first = ticks[0]
    assert ticks[:3] == [first, first + 1000, first + 2000]
    assert pending[:3] == [1, 1, 1]


async def test_a_tick_that_fails_does_not_end_its_schedule(rig, wait_until):
    clock = rig.use_virtual_clock()

    async def sync(job):
        raise ValueError("no")

    rig.job(sync)
    declare(rig, schedules=[Schedule(name="often", every_ms=1000, job="sync")])
    await apply_schedules(rig.sender, rig.pipeline, clock)
    rig.start()

    await wait_until(lambda: len(rig.said("job_failed")) == 1)
    clock.advance(1)

    await wait_until(lambda: len(rig.said("job_failed")) == 2)


async def test_the_tick_of_a_flow_starts_it_and_its_steps_get_their_results(rig, wait_until):
    clock = rig.use_virtual_clock()
    flow = declare_report(rig)
    schedule = Schedule(name="nightly", every_ms=60_000, flow="daily", data={"symbol": "GOOG"})
    declare(rig, schedules=[schedule], flows=[flow])
    await apply_schedules(rig.sender, rig.pipeline, clock)
    rig.start()

    await wait_until(lambda: rig.said("flow_started"))
    run = rig.said("flow_started")[0]["run"]
    job = await rig.reaches(f"{run}.mail", "completed", "mails")

    assert job.returnvalue == "GOOGGOOG!"
    assert job.data == {"rows": "GOOGGOOG"}
    trigger = await rig.stored(rig.said("flow_started")[0]["job"], "mails")
    assert trigger.returnvalue == {"run": run}
    assert {told["job_id"] for told in rig.hooks.of("toril_job_added")} == {
        f"{run}.load",
        f"{run}.mail",
    }


async def test_a_step_sees_its_run_and_the_results_it_needs(rig, wait_until):
    clock = rig.use_virtual_clock()
    seen = {}

    def report(job):
        seen.update(flow=job.flow, load=job.result_of("load"), results=dict(job.results))

    flow = declare_report(rig)
    rig.job(report, "report", queue="mails", run_in="async")
    schedule = Schedule(name="nightly", every_ms=60_000, flow="daily", data={"symbol": "IBM"})
    declare(rig, schedules=[schedule], flows=[flow])
    await apply_schedules(rig.sender, rig.pipeline, clock)
    rig.start()

    await wait_until(lambda: rig.said("flow_started"))
    run = rig.said("flow_started")[0]["run"]
    await rig.reaches(f"{run}.mail", "completed", "mails")
    assert seen == {
        "flow": run,
        "load": {"rows": "IBMIBM"},
        "results": {"load": {"rows": "IBMIBM"}},
    }


async def test_a_step_whose_data_does_not_fit_its_schema_fails_without_running(rig, wait_until):
    clock = rig.use_virtual_clock()
    flow = declare_report(rig)
    schedule = Schedule(name="nightly", every_ms=60_000, flow="daily", data={"symbol": "FB"})
    declare(rig, schedules=[schedule], flows=[flow])
    await apply_schedules(rig.sender, rig.pipeline, clock)

    def check(job_type, data):
        if job_type == "report":
            raise InvalidData("data of 'report' does not fit: rows is too short")

    rig.start(check_data=check)

    await wait_until(lambda: rig.said("flow_started"))
    run = rig.said("flow_started")[0]["run"]
    job = await rig.reaches(f"{run}.mail", "failed", "mails")
    assert job.failed_reason == (
        "the job's data cannot be made: data of 'report' does not fit: rows is too short"
    )


async def test_a_flow_that_cannot_be_started_fails_its_trigger(rig, wait_until):
    clock = rig.use_virtual_clock()
    flow = declare_report(rig)
    schedule = Schedule(name="nightly", every_ms=60_000, flow="daily", data={"symbols": 1})
    declare(rig, schedules=[schedule], flows=[flow])
    await apply_schedules(rig.sender, rig.pipeline, clock)
    rig.start()

    await wait_until(lambda: rig.said("job_failed"))
    assert rig.said("job_failed")[0]["error"].startswith("flow 'daily' cannot be started: ")


async def test_a_pattern_nobody_can_read_ends_the_schedule_but_runs_the_job(rig, wait_until):
    rig.job(lambda job: "ran")
    opts = {"repeat": {"pattern": "every full moon", "count": 1}}
    job_id = await rig.add(opts=opts)
    await rig.redis.hset(rig.keys().job(job_id), "rjk", "moon")
    rig.start()

    assert (await rig.reaches(job_id, "completed")).returnvalue == "ran"
    assert rig.said("schedule_ended")[0]["schedule"] == "moon"
