"""Applying schedules, and the tick that follows a started one, on a clock of the test's own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from toril.declarations.flow import Flow, Step
from toril.declarations.instants import parse_instant_ms
from toril.declarations.job_type import JobType, Retry
from toril.declarations.pipeline import Pipeline, RedisSettings
from toril.declarations.queue import Queue
from toril.declarations.schedule import Schedule
from toril.runtime.calls.claim import Owner
from toril.runtime.calls.schedules import list_schedules, upsert_schedule
from toril.runtime.calls.settle import settle_and_claim
from toril.runtime.connection import connect
from toril.runtime.job import StoredJob
from toril.runtime.keys import QueueKeys
from toril.runtime.schedules import (
    AT_EVERY_MS,
    AppliedSchedule,
    apply_schedules,
    build_schedule,
    follow_tick,
    read_tick_ms,
)
from toril.runtime.sender import AsyncSender
from toril.testing.virtual_clock import VirtualClock

NOW = parse_instant_ms("2026-03-02T08:30:00")
HOUR = 3_600_000


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOW)


def make_pipeline(prefix: str, *schedules: Schedule, project: str = "trading") -> Pipeline:
    return Pipeline(
        root=Path("/"),
        project=project,
        redis=RedisSettings(prefix=prefix),
        queues={name: Queue(name=name) for name in ("orders", "reports")},
        jobs={
            "sync": JobType(name="sync", queue="orders", retry=Retry(attempts=3), priority=2),
            "report": JobType(name="report", queue="reports"),
        },
        flows={
            "daily": Flow(
                name="daily",
                steps={
                    "fetch": Step(name="fetch", job="sync"),
                    "write": Step(name="write", job="report", needs=("fetch",)),
                },
            )
        },
        schedules={schedule.name: schedule for schedule in schedules},
    )


CRON = Schedule(name="morning", cron="0 9 * * *", timezone="Europe/Zurich", job="sync")
EVERY = Schedule(name="beat", every_ms=HOUR, job="sync", data={"n": 1})
AT = Schedule(name="once", at_ms=NOW + HOUR, job="sync")
FLOW = Schedule(name="nightly", cron="0 22 * * *", flow="daily", data={"id": "r1"}, priority=5)


async def apply(sender, pipeline: Pipeline, clock: VirtualClock) -> dict[str, str]:
    applied = await apply_schedules(sender, pipeline, clock)
    return {schedule.name: schedule.action for schedule in applied}


async def claim_all(sender, keys: QueueKeys, clock: VirtualClock) -> Sequence[StoredJob]:
    call = settle_and_claim(keys, owner=Owner("tok", 30_000), claim=100, now_ms=clock.now_ms())
    return (await sender.send(call)).jobs


async def run_ticks(sender, keys: QueueKeys, clock: VirtualClock) -> list[int | None]:
    """Claims what is due and adds what follows, as a worker does; gives the ticks."""
    jobs = await claim_all(sender, keys, clock)
    for job in jobs:
        call = follow_tick(keys, job, now_ms=clock.now_ms())
        if call is not None:
            await sender.send(call)
    return [read_tick_ms(job) for job in jobs]


async def list_ids(redis, keys: QueueKeys) -> list[str]:
    return [member.decode() for member in await redis.zrange(keys.delayed, 0, -1)]


async def test_declared_schedules_are_created_each_in_its_queue(
    async_sender, redis, keys, clock
) -> None:
    pipeline = make_pipeline(keys.prefix, CRON, EVERY, AT, FLOW)

    applied = await apply_schedules(async_sender, pipeline, clock)

    ten = parse_instant_ms("2026-03-03T08:00:00")
    assert AppliedSchedule(name="morning", queue="orders", action="created", next_ms=ten) in applied
    assert {(a.name, a.queue, a.action) for a in applied} == {
        ("morning", "orders", "created"),
        ("beat", "orders", "created"),
        ("once", "orders", "created"),
        ("nightly", "reports", "created"),
    }
    assert await list_ids(redis, keys) == [f"repeat:once:{NOW + HOUR}", f"repeat:morning:{ten}"]
    assert await redis.zrange(keys.prioritized, 0, -1) == [f"repeat:beat:{NOW}".encode()]


async def test_applying_again_changes_nothing(async_sender, redis, keys, clock) -> None:
    pipeline = make_pipeline(keys.prefix, CRON, EVERY, AT, FLOW)
    await apply(async_sender, pipeline, clock)
    before = await redis.hgetall(keys.scheduler("morning"))
    clock.advance(60)

    assert set((await apply(async_sender, pipeline, clock)).values()) == {"unchanged"}
    assert await redis.hgetall(keys.scheduler("morning")) == before


async def test_twenty_processes_at_once_do_no_harm(server, redis, keys, clock) -> None:
    pipeline = make_pipeline(keys.prefix, CRON, EVERY, AT, FLOW)
    clients = [connect(server.url) for _ in range(20)]

    replies = await asyncio.gather(
        *(apply(AsyncSender(client), pipeline, clock) for client in clients)
    )

    for client in clients:
        await client.aclose()
    actions = [action for reply in replies for action in reply.values()]
    assert (actions.count("created"), actions.count("unchanged")) == (4, 76)
    assert await redis.zcard(keys.delayed) == 2
    assert await redis.zcard(keys.prioritized) == 1


async def test_a_changed_schedule_is_changed(async_sender, keys, clock) -> None:
    await apply(async_sender, make_pipeline(keys.prefix, EVERY, CRON), clock)
    changed = make_pipeline(keys.prefix, replace(EVERY, data={"n": 2}), CRON)

    assert await apply(async_sender, changed, clock) == {"beat": "changed", "morning": "unchanged"}


async def test_what_is_not_declared_any_more_is_removed(async_sender, redis, keys, clock) -> None:
    await apply(async_sender, make_pipeline(keys.prefix, CRON, FLOW), clock)

    actions = await apply(async_sender, make_pipeline(keys.prefix, FLOW), clock)

    assert actions == {"morning": "removed", "nightly": "unchanged"}
    assert await redis.zcard(keys.delayed) == 0


async def test_a_schedule_that_moved_to_another_queue_leaves_the_old_one(
    async_sender, redis, keys, clock
) -> None:
    await apply(async_sender, make_pipeline(keys.prefix, CRON), clock)
    moved = make_pipeline(keys.prefix, replace(CRON, job="report"))

    applied = await apply_schedules(async_sender, moved, clock)

    assert {(a.queue, a.action) for a in applied} == {("orders", "removed"), ("reports", "created")}
    assert await redis.zcard(keys.delayed) == 0


async def test_what_others_made_stays(async_sender, redis, keys, clock) -> None:
    other = make_pipeline(keys.prefix, CRON, project="other")
    await apply(async_sender, other, clock)
    await redis.zadd(keys.repeat, {"by-node": NOW + 5})
    await redis.hset(keys.scheduler("by-node"), mapping={"name": "x", "every": "5", "ic": "1"})

    assert await apply(async_sender, make_pipeline(keys.prefix), clock) == {}
    assert await redis.zcard(keys.repeat) == 2


async def test_another_projects_schedule_of_the_same_name_is_refused(
    async_sender, keys, clock
) -> None:
    await apply(async_sender, make_pipeline(keys.prefix, CRON, project="other"), clock)

    [refused] = await apply_schedules(async_sender, make_pipeline(keys.prefix, CRON), clock)

    assert (refused.action, refused.reason) == (
        "refused",
        "schedule 'morning' of queue 'orders' belongs to project 'other'; rename one of the two",
    )


async def test_a_lost_tick_is_healed(async_sender, redis, keys, clock) -> None:
    pipeline = make_pipeline(keys.prefix, EVERY, CRON)
    await apply(async_sender, pipeline, clock)
    for job_id in await list_ids(redis, keys):
        await redis.delete(keys.job(job_id))
    await redis.delete(keys.delayed)

    assert await apply(async_sender, pipeline, clock) == {"beat": "unchanged", "morning": "healed"}


async def test_one_instant_that_is_over_is_not_made_up_for(
    async_sender, redis, keys, clock
) -> None:
    pipeline = make_pipeline(keys.prefix, replace(AT, at_ms=NOW - 1))

    assert await apply(async_sender, pipeline, clock) == {"once": "over"}
    assert await redis.keys(f"{keys.prefix}:*") == []


async def test_one_instant_that_ran_does_not_run_again(async_sender, redis, keys, clock) -> None:
    pipeline = make_pipeline(keys.prefix, AT)
    await apply(async_sender, pipeline, clock)
    clock.advance(3_600)

    assert await run_ticks(async_sender, keys, clock) == [NOW + HOUR]
    clock.advance(3_600)
    assert await apply(async_sender, pipeline, clock) == {"once": "unchanged"}
    assert await run_ticks(async_sender, keys, clock) == []


async def test_one_instant_that_was_moved_to_the_past_is_called_off(
    async_sender, redis, keys, clock
) -> None:
    await apply(async_sender, make_pipeline(keys.prefix, AT), clock)
    moved = make_pipeline(keys.prefix, replace(AT, at_ms=NOW - 5))

    applied = await apply_schedules(async_sender, moved, clock)

    assert [a.action for a in applied] == ["removed", "over"]
    assert await list_ids(redis, keys) == []


async def test_an_interval_keeps_its_pace(async_sender, keys, clock) -> None:
    await apply(async_sender, make_pipeline(keys.prefix, EVERY), clock)
    ticks = []
    for _ in range(4):
        ticks += await run_ticks(async_sender, keys, clock)
        clock.advance(3_600)

    assert ticks == [NOW, NOW + HOUR, NOW + 2 * HOUR, NOW + 3 * HOUR]


async def test_ticks_missed_while_nobody_worked_are_skipped(async_sender, keys, clock) -> None:
    await apply(async_sender, make_pipeline(keys.prefix, EVERY), clock)
    await run_ticks(async_sender, keys, clock)
    clock.advance(5 * 3_600 + 60)

    late = await run_ticks(async_sender, keys, clock)
    clock.advance(3_600)
    next_one = await run_ticks(async_sender, keys, clock)

    assert late == [NOW + HOUR]
    assert next_one == [NOW + 6 * HOUR]


async def test_cron_follows_its_own_time_zone_over_a_change_of_the_clocks(
    async_sender, keys, clock
) -> None:
    await apply(async_sender, make_pipeline(keys.prefix, CRON), clock)
    ticks = []
    for _ in range(28):
        clock.advance(86_400)
        ticks += await run_ticks(async_sender, keys, clock)

    assert len(ticks) == 28
    assert ticks[25] == parse_instant_ms("2026-03-28T08:00:00")
    assert ticks[26] == parse_instant_ms("2026-03-29T07:00:00")


async def test_a_tick_that_starts_twice_has_one_successor(async_sender, redis, keys, clock) -> None:
    await apply(async_sender, make_pipeline(keys.prefix, EVERY), clock)
    [job] = await claim_all(async_sender, keys, clock)
    call = follow_tick(keys, job, now_ms=clock.now_ms())
    assert call is not None

    assert await async_sender.send(call) == NOW + HOUR
    assert await async_sender.send(call) is None
    assert await list_ids(redis, keys) == [f"repeat:beat:{NOW + HOUR}"]


async def test_ticks_carry_what_the_job_type_declares(async_sender, redis, keys, clock) -> None:
    await apply(async_sender, make_pipeline(keys.prefix, EVERY), clock)
    await run_ticks(async_sender, keys, clock)

    job = StoredJob(
        "orders",
        f"repeat:beat:{NOW + HOUR}",
        await redis.hgetall(keys.job(f"repeat:beat:{NOW + HOUR}")),
    )

    assert (job.name, job.data, job.priority, job.repeat_key) == ("sync", {"n": 1}, 2, "beat")
    assert job.opts["attempts"] == 3
    assert job.opts["repeat"] == {"every": HOUR, "count": 2}


async def test_a_schedule_list_knows_what_fired(async_sender, keys, clock) -> None:
    await apply(async_sender, make_pipeline(keys.prefix, EVERY), clock)
    await run_ticks(async_sender, keys, clock)

    [record] = await async_sender.send(list_schedules(keys))

    assert (record.fired_ticks, record.last_ms, record.next_ms) == (1, NOW, NOW + HOUR)


def test_a_flows_schedule_adds_a_trigger_of_its_name(prefix) -> None:
    schedule = build_schedule(make_pipeline(prefix, FLOW), FLOW)

    assert (schedule.name, schedule.data, schedule.opts["priority"]) == ("daily", b'{"id":"r1"}', 5)


def test_a_single_instant_is_a_scheduler_of_one_tick(prefix) -> None:
    schedule = build_schedule(make_pipeline(prefix, AT), AT)

    assert (schedule.every_ms, schedule.start_ms, schedule.limit) == (AT_EVERY_MS, NOW + HOUR, 1)


def test_the_trigger_goes_to_a_queue_that_toril_works(prefix) -> None:
    pipeline = make_pipeline(prefix, FLOW)
    queues = {**pipeline.queues, "reports": Queue(name="reports", served_by="external")}

    assert replace(pipeline, queues=queues).queue_of_schedule(FLOW).name == "orders"
    assert pipeline.queue_of_schedule(FLOW).name == "reports"


def make_tick(opts: object, *, job_id: str = "repeat:x:5", rjk: str | None = "x") -> StoredJob:
    fields = {b"opts": json.dumps(opts).encode(), b"name": b"n"}
    if rjk is not None:
        fields[b"rjk"] = rjk.encode()
    return StoredJob("orders", job_id, fields)


@pytest.mark.parametrize(
    ("opts", "follows"),
    [
        ({"repeat": {"every": 5, "count": 1}}, True),
        ({"repeat": {"every": 5, "count": 3, "limit": 3}}, False),
        ({"repeat": {"every": 5, "count": 2, "limit": 3}}, True),
        ({"repeat": {"every": 5, "endDate": NOW - 1}}, False),
        ({"repeat": {"pattern": "0 9 * * *"}}, True),
        ({"repeat": {"pattern": "0 9 * * *", "endDate": NOW + 60_000}}, False),
        ({}, True),
    ],
)
def test_a_tick_is_followed_unless_its_limit_or_end_is_reached(keys, opts, follows) -> None:
    assert (follow_tick(keys, make_tick(opts), now_ms=NOW) is not None) is follows


def test_a_job_of_no_schedule_has_no_tick(keys) -> None:
    job = make_tick({}, rjk=None)

    assert follow_tick(keys, job, now_ms=NOW) is None
    assert read_tick_ms(job) is None


@pytest.mark.parametrize(
    ("job_id", "rjk", "tick"),
    [
        ("repeat:x:5", "x", 5),
        ("repeat:a:b:7", "a:b", 7),
        ("repeat:x:5:retry", "x", None),
        ("other", "x", None),
    ],
)
def test_the_tick_is_read_from_the_id(job_id, rjk, tick) -> None:
    assert read_tick_ms(make_tick({}, job_id=job_id, rjk=rjk)) == tick


def test_a_pattern_that_nobody_reads_is_an_error(keys) -> None:
    with pytest.raises(ValueError) as raised:
        follow_tick(keys, make_tick({"repeat": {"pattern": "H * * * *"}}), now_ms=NOW)

    assert str(raised.value) == "'H' is not known in minute 'H'; write the number you want"


async def test_an_id_of_bullmqs_old_kind_needs_its_counter(
    async_sender, redis, keys, clock
) -> None:
    old = "sync::::3600000"
    # Made under another id and moved: we store no id like that.
    schedule = replace(build_schedule(make_pipeline(keys.prefix, EVERY), EVERY), id="sync")
    await async_sender.send(upsert_schedule(keys, schedule, now_ms=NOW, next_ms=None))
    await redis.rename(keys.scheduler("sync"), keys.scheduler(old))
    await redis.rename(keys.job(f"repeat:sync:{NOW}"), keys.job(f"repeat:{old}:{NOW}"))
    await redis.hset(keys.job(f"repeat:{old}:{NOW}"), "rjk", old)
    await redis.zadd(keys.repeat, {old: NOW})
    await redis.zrem(keys.repeat, "sync")
    await redis.delete(keys.wait)
    await redis.lpush(keys.wait, f"repeat:{old}:{NOW}")
    [job] = await claim_all(async_sender, keys, clock)
    call = follow_tick(keys, job, now_ms=NOW)
    assert call is not None
    await redis.hdel(keys.scheduler(old), "ic")
    assert await async_sender.send(call) is None

    await redis.hset(keys.scheduler(old), "ic", "1")
    assert await async_sender.send(call) == NOW + HOUR
