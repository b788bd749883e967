"""Tests of the worker: claiming and running jobs."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from toril.runtime.calls.queues import pause, resume


async def test_many_jobs_run_once_each_and_never_more_than_the_slots(rig, wait_until):
    ran: list[int] = []
    running = most = 0
    all_slots_taken = asyncio.Event()

    async def sync(job):
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == 20:
            all_slots_taken.set()
        await all_slots_taken.wait()
        ran.append(job.data)
        running -= 1

    rig.queue("orders", concurrency=20)
    rig.job(sync)
    ids = await rig.add_many(list(range(500)))
    rig.start()

    async def all_are_completed():
        return await rig.redis.zcard(rig.keys().completed) == len(ids)

    await wait_until(all_are_completed, within="10s")
    assert sorted(ran) == list(range(500))
    assert most == 20


@pytest.mark.parametrize("concurrency", [1, 2, 7, 8, 30])
async def test_no_more_jobs_are_active_than_there_are_slots(rig, concurrency):
    most = 0

    async def sync(job):
        nonlocal most
        most = max(most, await rig.redis.llen(rig.keys().active))

    rig.queue("orders", concurrency=concurrency)
    rig.job(sync)
    ids = await rig.add_many([None] * 100)
    rig.start()

    for job_id in ids:
        await rig.reaches(job_id, "completed")
    # A settled job leaves `active` with the claim of the next one, so the slots are the bound.
    assert most <= concurrency


async def test_the_result_is_stored_and_the_hook_told_after_that(rig):
    rig.job(lambda job: {"synced": job.data["pages"]}, run_in="async")
    job_id = await rig.add({"pages": 3})
    rig.start()

    job = await rig.reaches(job_id, "completed")
    assert job.returnvalue == {"synced": 3}
    assert rig.hooks.of("toril_job_completed") == [
        {"queue": "orders", "job_id": job_id, "job_type": "sync", "result": {"synced": 3}}
    ]
    assert rig.hooks.of("toril_job_started")[0]["attempt"] == 1


async def test_starts_are_not_told_where_nobody_wants_to_know(rig):
    rig.job(lambda job: None, run_in="async")
    job_id = await rig.add()
    rig.start(tells_starts=False)

    await rig.reaches(job_id, "completed")
    assert rig.said("job_started") == []


async def test_a_job_added_to_an_idle_worker_starts_at_once(rig, wait_until):
    rig.job(lambda job: None)
    worker = rig.start()
    first = await rig.add()
    await rig.reaches(first, "completed")
    await wait_until(lambda: not worker.running)

    job_id = await rig.add()

    await rig.reaches(job_id, "completed", within_s=1.0)


async def test_jobs_start_in_the_order_they_were_added_urgent_ones_later_but_sorted(rig):
    order: list[str] = []

    async def sync(job):
        order.append(job.data)

    rig.queue("orders", concurrency=1)
    rig.job(sync)
    await rig.add("low", priority=9)
    await rig.add("high", priority=1)
    await rig.add("first")
    await rig.add("second")
    last = await rig.add("jumps in", lifo=True)
    rig.start()

    await rig.reaches(last, "completed")
    await rig.reaches("job-1", "completed")
    assert order == ["jumps in", "first", "second", "high", "low"]


async def test_a_delayed_job_runs_when_it_is_due_and_not_before(rig, wait_until):
    clock = rig.use_virtual_clock()
    ran: list[int] = []
    rig.job(lambda job: ran.append(clock.now_ms()), run_in="async")
    job_id = await rig.add(delay_ms=60_000)
    due_ms = clock.now_ms() + 60_000
    rig.start()
    other = await rig.add()
    await rig.reaches(other, "completed")

    clock.advance(59.9)
    await rig.reaches(await rig.add(), "completed")
    assert await rig.state(job_id) == "delayed"
    clock.advance(0.1)

    await rig.reaches(job_id, "completed")
    assert ran[-1] == due_ms


async def test_a_job_delayed_while_the_worker_idles_runs_when_it_is_due(rig, wait_until):
    clock = rig.use_virtual_clock()
    rig.job(lambda job: None)
    rig.start()
    await rig.reaches(await rig.add(), "completed")

    job_id = await rig.add(delay_ms=5_000)
    await wait_until(lambda: clock_waits(clock, 5_000))
    clock.advance(5)

    await rig.reaches(job_id, "completed")


def clock_waits(clock: Any, ms: int) -> bool:
    return any(due_ms == clock.now_ms() + ms for due_ms, _, _ in clock._sleepers)


async def test_one_worker_serves_two_queues(rig):
    seen: list[tuple[str, str]] = []
    rig.job(lambda job: seen.append((job.queue, job.name)), "sync", run_in="async")
    rig.job(lambda job: seen.append((job.queue, job.name)), "mail", queue="mails", run_in="async")
    rig.start()

    first = await rig.add()
    await rig.reaches(first, "completed")
    second = await rig.add(name="mail", queue="mails")
    await rig.reaches(second, "completed", "mails", within_s=1.0)

    assert seen == [("orders", "sync"), ("mails", "mail")]


async def test_a_full_queue_does_not_hold_up_another_one(rig):
    release = asyncio.Event()

    async def sync(job):
        await release.wait()

    rig.queue("orders", concurrency=1)
    rig.job(sync)
    rig.job(lambda job: None, "mail", queue="mails")
    blocked = await rig.add_many([None, None])
    rig.start()
    await rig.reaches(blocked[0], "active")

    mail = await rig.add(name="mail", queue="mails")

    await rig.reaches(mail, "completed", "mails", within_s=1.0)
    assert await rig.state(blocked[1]) == "waiting"
    release.set()
    await rig.reaches(blocked[1], "completed")


async def test_a_paused_queue_is_not_claimed_from_until_it_is_resumed(rig):
    rig.job(lambda job: None)
    rig.start()
    await rig.reaches(await rig.add(), "completed")
    await rig.sender.send(pause(rig.keys()))
    job_id = await rig.add()

    await rig.reaches(await rig.add(name="mail", queue="mails"), "failed", "mails")
    assert await rig.state(job_id) == "waiting"
    await rig.sender.send(resume(rig.keys()))

    await rig.reaches(job_id, "completed", within_s=1.0)


class Page(msgspec.Struct):
    size: int
    key: str


async def test_parameters_are_bound_and_their_secrets_resolved(rig):
    async def sync(job, page):
        return [page.size, page.key]

    rig.job(sync, params=Page, given={"size": 5, "key": "secret://env/KEY"})
    job_id = await rig.add()
    rig.start()

    job = await rig.reaches(job_id, "completed")
    assert job.returnvalue == [5, "resolved secret://env/KEY"]


async def test_a_processor_sees_its_job(rig):
    client = object()
    expected = {
        "name": "sync",
        "queue": "orders",
        "data": {"user": 1},
        "attempt": 1,
        "attempts": 3,
        "priority": 4,
        "fence": 1,
        "tick": None,
        "flow": None,
        "client": client,
    }
    jobs: list[Any] = []
    rig.job(jobs.append, run_in="async")
    job_id = await rig.add({"user": 1}, priority=4, opts={"attempts": 3, "delay": 1})
    rig.start(client=client)

    stored = await rig.reaches(job_id, "completed")
    [job] = jobs
    assert job.id == job_id
    assert {name: getattr(job, name) for name in expected} == expected
    assert job.added_at == datetime.fromtimestamp(stored.timestamp_ms / 1000, UTC)
    assert (job.scheduled_at - job.added_at).total_seconds() == 0.001


async def test_running_shows_what_runs(rig, wait_until):
    release = asyncio.Event()

    async def sync(job):
        await release.wait()

    rig.job(sync)
    job_id = await rig.add()
    worker = rig.start()
    await wait_until(lambda: worker.running)

    [(queue, running_id, started_ms)] = worker.running

    assert (queue, running_id) == ("orders", job_id)
    assert abs(started_ms - rig.clock.now_ms()) < 5_000
    release.set()
    await wait_until(lambda: not worker.running)
