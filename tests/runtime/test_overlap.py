"""Ticks whose former tick has not ended: they run beside it, are left out, or wait."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest

from toril.declarations.backoff import Backoff
from toril.declarations.flow import Flow, Step
from toril.declarations.job_type import JobType, Retry
from toril.declarations.schedule import Overlap, Schedule
from toril.runtime.calls.jobs import remove_job
from toril.runtime.calls.schedules import enter_tick
from toril.runtime.fsck import check_queue
from toril.runtime.schedules import apply_schedules

MINUTE_S = 60


class Ticking:
    """A schedule that ticks each minute, and jobs that run until they are let go."""

    def __init__(self, rig, wait_until):
        self.rig, self.wait_until, self.clock = rig, wait_until, rig.use_virtual_clock()
        self.began, self.gate, self.fails = [], asyncio.Event(), False
        self.down_s = 0

        async def sync(job):
            self.began.append(job.tick or job.data)
            await self.gate.wait()
            if self.fails and job.attempt == 1:
                raise ConnectionError("away")

        backoff = Backoff(type="fixed", delay_ms=90_000)
        rig.job(sync, retry=Retry(attempts=2, backoff=backoff))

    async def start(self, overlap, **target):
        first_ms = self.clock.now_ms() - self.clock.now_ms() % 60_000 + 60_000
        schedule = Schedule(
            name="often",
            every_ms=60_000,
            start_ms=first_ms,
            overlap=overlap,
            **(target or {"job": "sync"}),
        )
        self.rig.pipeline = replace(self.rig.pipeline, schedules={"often": schedule})
        await apply_schedules(self.rig.sender, self.rig.pipeline, self.clock)
        if self.down_s:
            self.clock.advance((first_ms - self.clock.now_ms()) / 1000 + self.down_s)
        ours = [q.name for q in self.rig.pipeline.queues.values() if q.served_by == "toril"]
        self.rig.start(*ours)
        self.clock.advance(max(first_ms - self.clock.now_ms(), 0) / 1000)
        await self.until(began=1)

    async def minute(self):
        """Lets the next minute come."""
        self.clock.advance(MINUTE_S)
        await asyncio.sleep(0.05)

    async def until(self, *, began):
        await self.wait_until(lambda: len(self.began) >= began)
        assert len(self.began) == began

    async def until_skipped(self, number):
        await self.wait_until(lambda: len(self.skipped) >= number)
        assert len(self.skipped) == number

    @property
    def skipped(self):
        return [said["reason"] for said in self.rig.said("tick_skipped")]


@pytest.fixture
def ticking(rig, wait_until):
    return Ticking(rig, wait_until)


async def test_ticks_that_may_overlap_run_beside_each_other(ticking):
    await ticking.start(Overlap.ALLOW)

    await ticking.minute()

    await ticking.until(began=2)
    ticking.gate.set()


async def test_an_interval_does_not_stretch_because_the_queue_is_busy(ticking, rig):
    rig.queue("orders", concurrency=1)
    ticking.gate.set()
    await ticking.start(Overlap.ALLOW)

    for began in range(1, 16, 3):
        ticking.gate.clear()
        await rig.add({"n": 1})  # holds the only slot when the next tick comes
        await ticking.until(began=began + 1)
        ticking.clock.advance(MINUTE_S + 17)
        ticking.gate.set()
        await ticking.until(began=began + 2)
        ticking.clock.advance(MINUTE_S - 17)
        await ticking.until(began=began + 3)

    ticks = [began for began in ticking.began if not isinstance(began, dict)]
    gaps = [(after - before).total_seconds() for before, after in pairwise(ticks)]
    assert gaps == [MINUTE_S] * 10


async def test_a_tick_is_left_out_while_a_former_one_runs_and_the_next_comes_in_time(ticking, rig):
    await ticking.start(Overlap.SKIP)

    for number in (1, 2):
        await ticking.minute()
        await ticking.until_skipped(number)
    assert ticking.skipped == ["the work of a former tick has not ended"] * 2
    ticking.gate.set()
    await asyncio.sleep(0.05)
    await ticking.minute()

    await ticking.until(began=2)
    assert (ticking.began[1] - ticking.began[0]).total_seconds() == 3 * MINUTE_S
    assert [
        (told["schedule"], told["tick_ms"]) for told in rig.hooks.of("toril_schedule_fired")
    ] == [("often", tick.timestamp() * 1000) for tick in ticking.began]
    assert await check_queue(rig.sender, rig.keys(), clock=ticking.clock) == []


async def test_a_job_that_waits_for_its_next_attempt_has_not_ended(ticking):
    ticking.fails = True
    await ticking.start(Overlap.SKIP)
    ticking.gate.set()
    await ticking.wait_until(lambda: ticking.rig.said("job_retrying"))

    await ticking.minute()

    await ticking.until_skipped(1)
    await ticking.minute()
    await ticking.until(began=2)


async def test_a_tick_waits_for_the_end_of_a_former_one_and_others_are_missed(ticking, rig):
    await ticking.start(Overlap.QUEUE)

    for _ in range(3):
        await ticking.minute()
    await ticking.until(began=1)
    ticking.gate.set()
    await asyncio.sleep(0.05)
    ticking.clock.advance(30)

    await ticking.until(began=2)
    assert (ticking.began[1] - ticking.began[0]).total_seconds() == MINUTE_S
    assert ticking.skipped == []
    await ticking.minute()
    await ticking.until(began=3)
    assert (ticking.began[2] - ticking.began[0]).total_seconds() == 4 * MINUTE_S
    assert await check_queue(rig.sender, rig.keys(), clock=ticking.clock) == []


async def test_a_tick_that_waits_longer_than_the_window_runs(ticking):
    await ticking.start(Overlap.QUEUE, job="sync", latest_ms=60_000)

    for _ in range(3):
        await ticking.minute()
    ticking.gate.set()
    await asyncio.sleep(0.05)
    ticking.clock.advance(30)

    await ticking.until(began=2)
    assert ticking.skipped == []


async def test_the_work_of_a_flow_ends_with_its_last_steps(ticking, rig):
    steps = {
        "first": Step(name="first", job="sync", data={}),
        "last": Step(name="last", job="sync", needs=("first",), data={}),
    }
    rig.pipeline = replace(rig.pipeline, flows={"both": Flow(name="both", steps=steps)})
    await ticking.start(Overlap.SKIP, flow="both")

    await ticking.minute()
    await ticking.until_skipped(1)
    ticking.gate.set()
    await ticking.until(began=2)
    await asyncio.sleep(0.05)
    await ticking.minute()

    await ticking.until(began=4)
    assert len(ticking.skipped) == 1


async def test_the_work_of_a_flow_lasts_while_another_runtime_works_its_last_step(ticking, rig):
    rig.queue("mails", served_by="external")
    jobs = {**rig.pipeline.jobs, "ship": JobType(name="ship", queue="mails")}
    steps = {
        "first": Step(name="first", job="sync", data={}),
        "last": Step(name="last", job="ship", needs=("first",), data={}),
    }
    flow = Flow(name="both", steps=steps)
    rig.pipeline = replace(rig.pipeline, jobs=jobs, flows={"both": flow})
    ticking.gate.set()
    await ticking.start(Overlap.SKIP, flow="both")
    first_run = f"often-{round(ticking.clock.now_ms())}"
    await rig.reaches(f"{first_run}.last", "waiting", "mails")

    await ticking.minute()
    await ticking.until_skipped(1)
    await rig.sender.send(remove_job(rig.keys("mails"), f"{first_run}.last"))
    await ticking.minute()

    await ticking.until(began=2)
    assert len(ticking.skipped) == 1


@pytest.mark.parametrize(("overlap", "begin"), [(Overlap.SKIP, [0, 5]), (Overlap.QUEUE, range(6))])
async def test_ticks_that_are_made_up_for_overlap_no_more_than_others(ticking, overlap, begin):
    ticking.down_s = 4 * MINUTE_S + 1
    await ticking.start(overlap, job="sync", catches_up=True, latest_ms=3_600_000)
    await ticking.until_skipped(4 if overlap is Overlap.SKIP else 0)
    assert len(ticking.began) == 1

    ticking.gate.set()
    for _ in range(40):
        await asyncio.sleep(0.01)
        ticking.clock.advance(2)

    await ticking.wait_until(lambda: len(ticking.began) >= len(begin))
    gaps = [(tick - ticking.began[0]).total_seconds() / MINUTE_S for tick in ticking.began]
    assert gaps[: len(begin)] == list(begin)


async def test_a_pause_does_not_let_ticks_overlap(ticking, rig, make_client):
    await ticking.start(Overlap.SKIP)
    client = make_client()

    await client.pause_schedule("often")
    await client.resume_schedule("often")
    await ticking.minute()
    await ticking.until_skipped(1)
    ticking.gate.set()
    await asyncio.sleep(0.05)
    await ticking.minute()

    await ticking.until(began=2)
    await ticking.wait_until(lambda: len(rig.said("job_completed")) == 3)
    await client.pause_schedule("often")
    assert not await rig.redis.hlen(rig.keys().own("ticks"))


async def test_a_tick_that_is_started_again_begins_again(rig):
    first = enter_tick(rig.keys(), "often", "tick-1", [(rig.keys(), "tick-1")])
    second = enter_tick(rig.keys(), "often", "tick-2", [(rig.keys(), "tick-2")])
    await rig.redis.hset(rig.keys().job("tick-1"), "name", "sync")

    answers = [await rig.sender.send(call) for call in (first, second, first)]
    await rig.redis.delete(rig.keys().job("tick-1"))

    assert answers == [True, False, True]
    assert await rig.sender.send(second)
