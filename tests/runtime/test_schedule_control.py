"""Declared schedules by hand: run now, pause, resume."""

from __future__ import annotations

from dataclasses import replace

import pytest

from toril.declarations.schedule import Schedule
from toril.errors import UnknownName, WrongState
from toril.plugins.decorators import source
from toril.runtime.fsck import check_queue
from toril.runtime.schedules import apply_schedules

HOUR_MS = 3_600_000


@pytest.fixture
async def hourly(rig):
    """A schedule whose first tick is in an hour."""
    clock = rig.use_virtual_clock()

    async def nothing(job):
        return job.data

    rig.job(nothing)
    first_ms = clock.now_ms() + HOUR_MS
    schedule = Schedule(name="hourly", every_ms=HOUR_MS, start_ms=first_ms, job="sync")
    rig.pipeline = replace(rig.pipeline, schedules={"hourly": schedule})
    await apply_schedules(rig.sender, rig.pipeline, clock)
    return f"repeat:hourly:{first_ms}"


async def test_a_schedule_runs_now_and_ticks_on_as_before(rig, make_client, hourly):
    job = await make_client().run_schedule("hourly")
    rig.start()

    await rig.reaches(job.id, "completed")
    assert await rig.state(hourly) == "delayed"
    assert await rig.redis.zcard(rig.keys().delayed) == 1
    assert await check_queue(rig.sender, rig.keys(), clock=rig.clock) == []


async def test_a_schedule_of_a_source_runs_now(rig, make_client, hourly):
    rig.sources["shop.users"] = source("shop.users")(lambda: [{"id": 1}, {"id": 2}])
    schedule = replace(
        rig.pipeline.schedules["hourly"],
        foreach="shop.users",
        job_id="sync-${{ item.id }}-${{ schedule.tick }}",
    )
    rig.pipeline = replace(rig.pipeline, schedules={"hourly": schedule})

    job = await make_client().run_schedule("hourly")
    rig.start()

    assert (await rig.reaches(job.id, "completed")).returnvalue == {"added": 2, "there": 0}
    await rig.reaches("sync-1-20260921T141320Z", "completed")


async def test_a_paused_schedule_does_not_tick_whatever_is_restarted(rig, make_client, hourly):
    client = make_client()

    answers = [await client.pause_schedule("hourly") for _ in range(2)]
    applied = await apply_schedules(rig.sender, rig.pipeline, rig.clock)

    assert answers == [True, False]
    assert [(one.name, one.action) for one in applied] == [("hourly", "paused")]
    assert not await rig.redis.exists(rig.keys().job(hourly))


async def test_a_resumed_schedule_ticks_again(rig, make_client, hourly):
    client = make_client()
    await client.pause_schedule("hourly")

    next_ms = await client.resume_schedule("hourly")

    assert hourly == f"repeat:hourly:{next_ms}"
    assert await rig.state(hourly) == "delayed"
    assert [a.action for a in await apply_schedules(rig.sender, rig.pipeline, rig.clock)] == [
        "unchanged"
    ]


async def test_what_is_not_paused_cannot_be_resumed(rig, make_client, hourly):
    with pytest.raises(WrongState, match="schedule 'hourly' is not paused"):
        await make_client().resume_schedule("hourly")
    with pytest.raises(UnknownName, match="did you mean 'hourly'"):
        await make_client().pause_schedule("hurly")
