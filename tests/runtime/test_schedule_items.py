"""Schedules with a `foreach`, and ticks whose data is filled in."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace

import pytest

from toril.declarations.flow import Flow, Step
from toril.declarations.job_type import Keep, KeepRule, Unique
from toril.declarations.schedule import Schedule
from toril.plugins.decorators import source
from toril.runtime.calls.jobs import list_jobs, retry_job
from toril.runtime.schedules import apply_schedules
from toril.runtime.states import JobState
from toril.runtime.worker.fan_out import BATCH

USERS = [{"id": "ada", "premium": True}, {"id": "bob", "premium": False}]


@pytest.fixture
def ticking(rig):
    """`await ticking(items, ...)`: applies a schedule on a source, and starts a worker."""
    rig.use_virtual_clock()

    async def nothing(job):
        return job.data

    rig.job(nothing)

    async def start(function=None, *, start_worker=True, **fields):
        given = {"every_ms": 3_600_000, "job": "sync", **fields}
        if function is not None:
            rig.sources["shop.users"] = source("shop.users")(function)
            given["foreach"] = "shop.users"
        schedule = Schedule(name="hourly", **given)
        rig.pipeline = replace(rig.pipeline, schedules={"hourly": schedule})
        [applied] = await apply_schedules(rig.sender, rig.pipeline, rig.clock)
        if start_worker:
            rig.start()
        return f"repeat:hourly:{applied.next_ms}"

    return start


async def added(rig):
    jobs = []
    for state in (JobState.WAITING, JobState.PRIORITIZED, JobState.COMPLETED):
        jobs += await rig.sender.send(list_jobs(rig.keys(), state, count=1000))
    return {job.id: job for job in jobs if not job.id.startswith("repeat:")}


EXPRESSIONS = {
    "job_id": "sync-${{ item.id }}-${{ schedule.tick }}",
    "data": {"user": "${{ item.id }}", "of": "${{ schedule.name }}"},
    "priority": "${{ item.premium ? 1 : 2 }}",
}


async def test_a_tick_adds_a_job_for_each_item(rig, ticking):
    tick = await ticking(lambda: USERS, **EXPRESSIONS)

    trigger = await rig.reaches(tick, "completed")

    jobs = await added(rig)
    instant = "20260921T141320Z"
    assert {job.id: (job.data, job.priority) for job in jobs.values()} == {
        f"sync-ada-{instant}": ({"user": "ada", "of": "hourly"}, 1),
        f"sync-bob-{instant}": ({"user": "bob", "of": "hourly"}, 2),
    }
    assert (trigger.returnvalue, trigger.progress) == ({"added": 2, "there": 0}, 2)
    assert {told["job_id"] for told in rig.hooks.of("toril_job_added")} == set(jobs)


def plain_generator():
    yield from USERS


async def coroutine():
    await asyncio.sleep(0)
    return tuple(USERS)


async def async_generator():
    for user in USERS:
        await asyncio.sleep(0)
        yield user


@pytest.mark.parametrize("function", [plain_generator, coroutine, async_generator])
async def test_sources_are_functions_and_generators_of_either_kind(rig, ticking, function):
    tick = await ticking(function)

    await rig.reaches(tick, "completed")

    assert len(await added(rig)) == 2


async def test_ids_are_made_of_the_item_where_none_are_declared(rig, ticking):
    tick = await ticking(lambda: [*USERS, {"premium": True, "id": "eve"}, dict(USERS[0])])

    trigger = await rig.reaches(tick, "completed")

    assert trigger.returnvalue == {"added": 3, "there": 1}
    assert all(job_id.startswith("hourly-20260921T141320Z-") for job_id in await added(rig))


async def test_a_unique_job_keeps_out_another_item_of_the_same_value(rig, ticking):
    async def sync(job):
        return job.data

    rig.job(sync, unique=Unique(by="${{ data.user }}", for_ms=7_200_000))
    items = [*USERS, {"id": "ada", "premium": False}]

    tick = await ticking(lambda: items, data={"user": "${{ item.id }}"})

    assert (await rig.reaches(tick, "completed")).returnvalue == {"added": 2, "there": 1}
    assert {job.data["user"] for job in (await added(rig)).values()} == {"ada", "bob"}


async def test_a_tick_that_is_run_again_adds_nothing_twice(rig, ticking):
    tick = await ticking(lambda: USERS)
    await rig.reaches(tick, "completed")
    rig.clock.advance(1)

    await rig.sender.send(retry_job(rig.keys(), tick, now_ms=rig.clock.now_ms()))
    while (await rig.stored(tick)).attempts_started < 2:  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    trigger = await rig.reaches(tick, "completed")

    assert trigger.returnvalue == {"added": 0, "there": 2}
    assert len(await added(rig)) == 2


async def test_the_next_tick_adds_others(rig, ticking):
    tick = await ticking(lambda: USERS, **EXPRESSIONS)
    await rig.reaches(tick, "completed")

    rig.clock.advance(3600)
    later = f"repeat:hourly:{rig.clock.now_ms()}"
    await rig.reaches(later, "completed")

    assert len(await added(rig)) == 4


async def test_a_source_that_breaks_half_way_is_asked_again(rig, ticking):
    tries = itertools.count(1)

    def users():
        attempt = next(tries)
        yield USERS[0]
        if attempt == 1:
            raise ConnectionError("the database is away")
        yield USERS[1]

    tick = await ticking(users)
    await rig.reaches(tick, "delayed")
    rig.clock.advance(1)

    trigger = await rig.reaches(tick, "completed")
    assert trigger.attempts_made == 2
    assert len(await added(rig)) == 2


@pytest.mark.parametrize(
    ("rule", "again"), [(KeepRule(count=1), BATCH - 1), (KeepRule(age_ms=3_600_000), 0)]
)
async def test_a_repeated_tick_adds_again_what_ran_and_is_not_kept(rig, ticking, rule, again):
    runs = []
    tries = itertools.count(1)

    async def count(job):
        runs.append(job.id)

    rig.job(count, keep=Keep(completed=rule))

    async def numbers():
        is_first = next(tries) == 1
        for number in range(BATCH):
            yield number
        if is_first:
            while len(runs) < BATCH:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            raise ConnectionError("the database is away")

    tick = await ticking(numbers)
    await rig.reaches(tick, "delayed")
    rig.clock.advance(1)

    trigger = await rig.reaches(tick, "completed")
    assert trigger.returnvalue == {"added": again, "there": BATCH - again}


async def test_items_that_are_refused_fail_the_tick_and_lose_no_others(rig, ticking):
    jobs = dict(rig.pipeline.jobs)
    jobs["sync"] = replace(jobs["sync"], data_schema={"properties": {"n": {"type": "integer"}}})
    rig.pipeline = replace(rig.pipeline, jobs=jobs)
    items = [{"n": 1}, {"n": "two"}, {}, {"n": 4}]
    tick = await ticking(lambda: items, data={"n": "${{ item.n }}"})

    trigger = await rig.reaches(tick, "failed")

    assert len(await added(rig)) == 2
    assert trigger.failed_reason.startswith("2 of 4 items were refused: item 2: ")
    assert "item 3: ${{ item.n }} failed: item has no member 'n'" in trigger.failed_reason


@pytest.mark.parametrize("given", [None, 3, "text", {"a": 1}])
async def test_a_source_that_gives_no_items_fails_the_tick(rig, ticking, given):
    tick = await ticking(lambda: given)

    trigger = await rig.reaches(tick, "failed")

    assert trigger.failed_reason == (f"source 'shop.users' gave {type(given).__name__}, not items")


async def test_many_items_are_held_in_small_numbers(rig, ticking):
    most, held = 0, 0

    class Item(dict):
        def __init__(self, number):
            nonlocal held, most
            super().__init__(n=number)
            held += 1
            most = max(most, held)

        def __del__(self):
            nonlocal held
            held -= 1

    tick = await ticking(lambda: (Item(n) for n in range(20_000)))

    trigger = await rig.reaches(tick, "completed", within_s=30)
    assert trigger.returnvalue == {"added": 20_000, "there": 0}
    assert most <= 1_500


async def test_the_data_of_a_tick_is_filled_in_and_stored(rig, ticking):
    tick = await ticking(data={"day": "${{ schedule.tick }}", "ms": "${{ schedule.tick_ms }}"})

    job = await rig.reaches(tick, "completed")

    assert job.returnvalue == {"day": "20260921T141320Z", "ms": 1_790_000_000_000}
    assert job.data == job.returnvalue


async def test_the_inputs_of_a_run_are_filled_in(rig, ticking):
    step = Step(name="only", job="sync", data={"day": "${{ inputs.day }}"})
    rig.pipeline = replace(rig.pipeline, flows={"daily": Flow(name="daily", steps={"only": step})})
    tick = await ticking(job=None, flow="daily", data={"day": "${{ schedule.tick }}"})

    await rig.reaches(tick, "completed")
    job = await rig.reaches("hourly-1790000000000.only", "completed")

    assert job.data == {"day": "20260921T141320Z"}


async def test_a_schedule_ticks_from_its_start_to_its_end_and_no_more(rig, ticking):
    now_ms = rig.clock.now_ms()
    await ticking(start_ms=now_ms + 7_200_000, end_ms=now_ms + 11_000_000)
    first = f"repeat:hourly:{now_ms + 7_200_000}"

    assert await rig.state(first) == "delayed"
    for _ in range(3):
        rig.clock.advance(3600)
        await asyncio.sleep(0.02)
    await rig.reaches(f"repeat:hourly:{now_ms + 10_800_000}", "completed")
    rig.clock.advance(3600)

    assert await rig.redis.zcard(rig.keys().delayed) == 0


async def test_a_limit_ends_a_schedule(rig, ticking):
    tick = await ticking(limit=2)
    await rig.reaches(tick, "completed")
    rig.clock.advance(3600)
    await rig.reaches(f"repeat:hourly:{rig.clock.now_ms()}", "completed")

    assert await rig.redis.zcard(rig.keys().delayed) == 0


async def test_jitter_delays_the_job_and_not_the_tick(rig, ticking):
    tick = await ticking(jitter_ms=600_000, start_worker=False)
    again = await ticking(jitter_ms=600_000, start_worker=False)

    job = await rig.stored(tick)
    assert tick == again
    assert 0 < job.delay_ms <= 600_000
    assert tick == f"repeat:hourly:{rig.clock.now_ms()}"


async def test_jitter_is_spread_evenly(rig, ticking):
    delays = []
    await ticking(jitter_ms=600_000, start_worker=False, cron="0 * * * *", every_ms=None)
    for _ in range(40):
        [tick] = await rig.redis.zrange(rig.keys().delayed, 0, -1)
        job = await rig.stored(tick.decode())
        nominal = int(tick.decode().rsplit(":", 1)[1])
        delays.append(job.timestamp_ms + job.delay_ms - nominal)
        rig.clock.advance(3600)
        await rig.redis.delete(rig.keys().job(tick.decode()))
        await rig.redis.zrem(rig.keys().delayed, tick)
        await apply_schedules(rig.sender, rig.pipeline, rig.clock)

    assert all(0 <= delay <= 600_000 for delay in delays)
    assert len(set(delays)) > 35
    assert 200_000 < sum(delays) / len(delays) < 400_000


async def test_a_schedule_that_is_disabled_is_taken_out_of_redis(rig, ticking):
    tick = await ticking(start_worker=False, start_ms=rig.clock.now_ms() + 60_000)
    schedule = replace(rig.pipeline.schedules["hourly"], enabled=False)
    rig.pipeline = replace(rig.pipeline, schedules={"hourly": schedule})

    [applied] = await apply_schedules(rig.sender, rig.pipeline, rig.clock)

    assert applied.action == "removed"
    assert not await rig.redis.exists(rig.keys().job(tick))
