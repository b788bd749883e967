"""Checking a queue: a sound one has no findings, each broken rule has its own."""

from __future__ import annotations

import pytest

from toril.clock import SystemClock
from toril.declarations.job_type import KeepRule
from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.claim import Owner
from toril.runtime.calls.jobs import add_log, update_progress
from toril.runtime.calls.queues import open_queue, pause
from toril.runtime.calls.schedules import NewSchedule, upsert_schedule
from toril.runtime.calls.settle import settle_and_claim
from toril.runtime.fsck import Finding, check_queue
from toril.runtime.job import NewJob, ParentLink
from toril.runtime.outcomes import Completed, Failed, Retried
from toril.testing.virtual_clock import VirtualClock

NOW = 1_790_000_000_000
OWNER = Owner("tok", 30_000)
CLOCK = VirtualClock(NOW)
KEEP = KeepRule()


def job(job_id: str, queue: str = "orders", **more) -> NewJob:
    return NewJob(id=job_id, queue=queue, name="sync", data=b"{}", timestamp_ms=NOW, **more)


@pytest.fixture
async def sound(async_sender, redis, keys):
    """A queue with a job in every state, a flow over two queues, schedules and other keys."""
    send = async_sender.send
    await send(open_queue(keys))
    await send(
        add_jobs(keys.prefix, [job(f"j{n}") for n in range(6)], now_ms=NOW),
    )
    await send(settle_and_claim(keys, owner=OWNER, claim=5, now_ms=NOW))
    outcomes = [
        Completed("j0", b"1", KEEP),
        Failed("j1", "boom", b"[]", KEEP, 1),
        Retried("j2", 60_000, "boom", b"[]"),
        Retried("j3", 0, "boom", b"[]"),
    ]
    await send(settle_and_claim(keys, owner=OWNER, outcomes=outcomes, now_ms=NOW))
    flow = [
        job("top", waits_for_children=True),
        job("leaf", parent=ParentLink(id="top", queue="orders")),
        job("far", "mails", parent=ParentLink(id="top", queue="orders")),
        job("urgent", priority=1),
    ]
    await send(add_jobs(keys.prefix, flow, now_ms=NOW))
    daily = NewSchedule(id="daily", name="sync", cron="0 9 * * *", timezone="UTC", owner="t")
    await send(upsert_schedule(keys, daily, now_ms=NOW, next_ms=NOW + 5_000))
    beat = NewSchedule(id="beat", name="sync", every_ms=5_000, owner="t")
    await send(upsert_schedule(keys, beat, now_ms=NOW, next_ms=None))
    await send(add_log(keys, "j4", "line"))
    await send(update_progress(keys, "j4", b"50"))
    await redis.set(keys.deduplication("d"), "j5")
    await redis.set(keys.limiter, "1", px=60_000)
    await redis.set(keys.stalled_check, "1", px=60_000)
    await redis.hset(keys.base + "metrics:completed", "count", "1")
    await redis.set(keys.own("note"), "x")


async def find(async_sender, keys) -> list[Finding]:
    return await check_queue(async_sender, keys, clock=CLOCK)


async def test_an_empty_queue_is_sound(async_sender, keys) -> None:
    assert await find(async_sender, keys) == []


async def test_a_sound_queue_has_no_findings(async_sender, keys, sound) -> None:
    assert await find(async_sender, keys) == []
    assert await find(async_sender, keys.of("mails")) == []


TICK = f"repeat:daily:{NOW + 5_000}"

BROKEN = {
    ("job-listed-twice", "job 'j5' is listed twice: completed and wait"): [
        ("ZADD", "completed", "1", "j5")
    ],
    ("job-listed-twice", "job 'j5' is listed twice: 2 times in wait"): [("LPUSH", "wait", "j5")],
    ("listed-without-job", "wait lists job 'ghost', which does not exist"): [
        ("LPUSH", "wait", "ghost")
    ],
    ("listed-without-job", "paused lists job 'ghost', which does not exist"): [
        ("LPUSH", "paused", "ghost")
    ],
    ("job-in-no-state", "job 'j5' is in no state"): [("LREM", "wait", "0", "j5")],
    ("job-without-data", "job 'j5' has no name or no data"): [("HDEL", "j5", "data")],
    ("part-without-job", "key gone:logs belongs to no job"): [("RPUSH", "gone:logs", "x")],
    ("lock-without-ttl", "the lock of job 'j4' never runs out"): [("PERSIST", "j4:lock")],
    ("lock-without-active-job", "job 'j5' is locked, but not active"): [
        ("SET", "j5:lock", "tok", "PX", "60000")
    ],
    ("parent-waits-for-nothing", "job 'top' waits for children and has none left"): [
        ("DEL", "top:dependencies"),
        ("HDEL", "leaf", "parentKey"),
    ],
    ("completed-before-children", "job 'top' is completed, but children of it are pending"): [
        ("ZREM", "waiting-children", "top"),
        ("ZADD", "completed", "1", "top"),
    ],
    (
        "child-not-pending",
        "job 'top' waits for child 'P:mails:far', which does not exist",
    ): [("DEL", "P:mails:far")],
    (
        "child-not-pending",
        "job 'top' waits for child 'P:mails:far', which does not name it as its parent",
    ): [("HSET", "P:mails:far", "parentKey", "other")],
    (
        "child-not-pending",
        "job 'top' waits for child 'P:mails:far', which is completed",
    ): [("ZADD", "P:mails:completed", "1", "far")],
    (
        "parent-does-not-wait",
        "job 'leaf' is a child of 'P:orders:top', which does not wait for it",
    ): [("SREM", "top:dependencies", "P:orders:leaf")],
    ("schedule-without-record", "schedule 'daily' has no record"): [("DEL", "repeat:daily")],
    ("schedule-without-tick", "schedule 'daily' has no next tick"): [
        ("ZREM", "delayed", TICK),
        ("DEL", TICK),
    ],
    ("schedule-without-tick", "schedule 'beat' has no next tick"): [
        ("LREM", "wait", "0", f"repeat:beat:{NOW}"),
        ("ZADD", "completed", "1", f"repeat:beat:{NOW}"),
    ],
    (
        "second-tick",
        "job 'repeat:daily:7' is a second pending tick of schedule 'daily'",
    ): [
        ("HSET", "repeat:daily:7", "name", "x", "data", "{}", "rjk", "daily"),
        ("LPUSH", "wait", "repeat:daily:7"),
    ],
    (
        "tick-without-schedule",
        f"job '{TICK}' is a tick of schedule 'daily', which does not exist",
    ): [("ZREM", "repeat", "daily"), ("DEL", "repeat:daily")],
    ("no-marker", "jobs wait, but no marker tells idle workers"): [
        ("DEL", "marker"),
        ("DEL", "limiter"),
    ],
    ("limiter-without-ttl", "key limiter never runs out"): [("PERSIST", "limiter")],
    ("stalled-check-without-ttl", "key stalled-check never runs out"): [
        ("PERSIST", "stalled-check")
    ],
    (
        "deduplication-without-job",
        "deduplication id 'd' is held for ever by job 'gone', which does not exist",
    ): [("SET", "de:d", "gone")],
    (
        "next-without-deduplication",
        "a job waits behind deduplication id 'e', which nobody holds",
    ): [("HSET", "dn:e", "name", "x")],
    ("unknown-key", "key 'P:orders:some:thing' is of no known kind"): [("SET", "some:thing", "x")],
    ("unknown-key", "key 'P:orders:text' is of no known kind"): [("SET", "text", "x")],
    ("unknown-key", "key 'P:orders:repeat:gone' is of no known kind"): [
        ("HSET", "repeat:gone", "name", "x")
    ],
}


@pytest.mark.parametrize(("finding", "commands"), BROKEN.items(), ids=[b[1] for b in BROKEN])
async def test_each_broken_rule_is_found(
    async_sender, redis, keys, sound, finding, commands
) -> None:
    for name, key, *rest in commands:
        spelled = keys.prefix + key[1:] if key.startswith("P:") else keys.base + key
        values = (value.replace("P:", f"{keys.prefix}:") for value in rest)
        await redis.execute_command(name, spelled, *values)

    found = await find(async_sender, keys)

    told = {(each.code, each.message.replace(f"{keys.prefix}:", "P:")) for each in found}
    assert told == {finding}
    assert {each.queue for each in found} == {"orders"}


async def test_a_paused_queue_needs_no_marker(async_sender, keys) -> None:
    await async_sender.send(add_jobs(keys.prefix, [job("a")], now_ms=NOW))
    await async_sender.send(pause(keys))

    assert await find(async_sender, keys) == []


async def test_a_single_instant_that_ran_needs_no_next_tick(async_sender, keys) -> None:
    once = NewSchedule(id="once", name="x", every_ms=10**9, start_ms=NOW, limit=1, owner="t")
    await async_sender.send(upsert_schedule(keys, once, now_ms=NOW, next_ms=None))
    await async_sender.send(settle_and_claim(keys, owner=OWNER, claim=1, now_ms=NOW))
    done = Completed(f"repeat:once:{NOW}", b"1", KEEP)
    await async_sender.send(settle_and_claim(keys, owner=OWNER, outcomes=[done], now_ms=NOW))

    assert await find(async_sender, keys) == []


@pytest.mark.parametrize(
    ("ends_in_ms", "rhythm", "is_sound"),
    [
        (59_999, {"every_ms": 60_000}, True),
        (60_000, {"every_ms": 60_000}, False),
        (1_000, {"cron": "0 9 * * *", "timezone": "Europe/Zurich"}, True),
        (86_400_000, {"cron": "0 9 * * *", "timezone": "Europe/Zurich"}, False),
        (1_000, {"cron": "what?", "timezone": "UTC"}, False),
    ],
)
async def test_a_schedule_whose_next_tick_would_be_after_its_end_needs_none(
    async_sender, redis, keys, ends_in_ms, rhythm, is_sound
) -> None:
    schedule = NewSchedule(id="s", name="x", end_ms=NOW + ends_in_ms, **rhythm)
    next_ms = NOW if "cron" in rhythm else None
    await async_sender.send(upsert_schedule(keys, schedule, now_ms=NOW, next_ms=next_ms))
    claim = settle_and_claim(keys, owner=OWNER, claim=1, now_ms=NOW)
    [tick] = (await async_sender.send(claim)).jobs
    done = Completed(tick.id, b"1", KEEP)
    await async_sender.send(settle_and_claim(keys, owner=OWNER, outcomes=[done], now_ms=NOW))

    findings = await find(async_sender, keys)

    assert [finding.code for finding in findings] == ([] if is_sound else ["schedule-without-tick"])


async def test_thousands_of_jobs_are_read_in_pages(async_sender, redis, keys) -> None:
    jobs = [job(f"j{n}") for n in range(1_300)]
    jobs += [job(f"d{n}", delay_ms=n + 1) for n in range(1_300)]
    await async_sender.send(add_jobs(keys.prefix, jobs, now_ms=NOW))
    await redis.hdel(keys.job("j7"), "name")

    [finding] = await check_queue(async_sender, keys, clock=SystemClock())

    assert (finding.code, finding.subject) == ("job-without-data", "j7")


async def test_a_queue_of_an_odd_name_is_read_alone(async_sender, keys) -> None:
    odd, other = keys.of("a[b]*"), keys.of("abx")
    await async_sender.send(add_jobs(keys.prefix, [job("a", "a[b]*")], now_ms=NOW))
    await async_sender.send(add_jobs(keys.prefix, [job("b", "abx")], now_ms=NOW))

    assert await find(async_sender, odd) == []
    assert await find(async_sender, other) == []
