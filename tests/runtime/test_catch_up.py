"""Ticks that were missed: none, one for all or each of them runs, as `catch_up` says."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from toril.declarations.schedule import LATEST_MS, Schedule
from toril.runtime.calls.jobs import list_jobs
from toril.runtime.schedules import apply_schedules
from toril.runtime.states import JobState

MINUTE_MS = 60_000
#: Ten ticks are missed in it.
DOWN_S = 600


@pytest.fixture
def missed(rig, wait_until):
    """`await missed(mode, ...)`: ticks that ran and those skipped, in minutes from the first."""
    clock = rig.use_virtual_clock()
    rig.queue("orders", concurrency=1)
    ran = []

    async def note(job):
        ran.append(job.data["ms"])

    rig.job(note)

    async def miss(mode, *, down_s=DOWN_S, latest_ms=-1, then=1, **fields):
        rhythm = {"every_ms": MINUTE_MS} if "cron" not in fields else {}
        first_ms = clock.now_ms() - clock.now_ms() % MINUTE_MS + MINUTE_MS
        schedule = Schedule(
            name="often",
            job="sync",
            start_ms=first_ms,
            data={"ms": "${{ schedule.tick_ms }}"},
            latest_ms=LATEST_MS[mode] if latest_ms == -1 else latest_ms,
            catches_up=mode == "all",
            **rhythm,
            **fields,
        )
        rig.pipeline = replace(rig.pipeline, schedules={"often": schedule})
        await apply_schedules(rig.sender, rig.pipeline, clock)
        clock.advance((first_ms - clock.now_ms()) / 1000 + down_s)
        rig.start()

        def skipped():
            return [int(said["job"].rsplit(":", 1)[1]) for said in rig.said("tick_skipped")]

        await wait_until(lambda: len(ran) + len(skipped()) >= then)
        await asyncio.sleep(0.05)
        return [[(ms - first_ms) / MINUTE_MS for ms in ticks] for ticks in (ran, skipped())]

    return miss


@pytest.mark.parametrize("rhythm", [{}, {"cron": "* * * * *"}])
@pytest.mark.parametrize(
    ("mode", "runs", "skips"),
    [("none", [], [0]), ("last", [0], []), ("all", list(range(11)), [])],
)
async def test_after_a_pause_of_ten_ticks_these_run(missed, mode, runs, skips, rhythm):
    given = await missed(mode, down_s=DOWN_S + 1, then=len(runs) + len(skips), **rhythm)

    assert given == [runs, skips]


async def test_a_tick_that_is_not_too_late_runs(missed):
    assert await missed("none", down_s=59) == [[0], []]


async def test_a_tick_that_is_late_by_its_jitter_runs(missed):
    assert await missed("none", down_s=150, jitter_ms=120_000) == [[0], []]


async def test_no_tick_that_was_before_the_window_runs(missed):
    runs, skips = await missed("all", down_s=DOWN_S + 1, latest_ms=3 * MINUTE_MS, then=4)

    assert (runs, skips) == ([8, 9, 10], [0])


async def test_ticks_that_were_missed_before_the_end_run_after_it(missed, rig):
    end_ms = rig.clock.now_ms() + 4 * MINUTE_MS

    assert await missed("all", end_ms=end_ms, then=4) == [[0, 1, 2, 3], []]


async def test_no_more_ticks_are_made_up_for_than_the_limit_says(missed):
    assert await missed("all", limit=3, then=3) == [[0, 1, 2], []]


async def test_the_ticks_go_on_after_those_that_were_missed(missed, rig, wait_until):
    await missed("all", then=11)

    rig.clock.advance(60)

    await wait_until(lambda: len(rig.said("job_completed")) == 12)


async def test_a_skipped_tick_completes_and_says_why(missed, rig):
    await missed("none")

    [job] = await rig.sender.send(list_jobs(rig.keys(), JobState.COMPLETED, count=9))
    assert job.returnvalue == {"skipped": "it is more than 1m late"}
