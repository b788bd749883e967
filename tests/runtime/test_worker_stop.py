"""Tests of a worker's end: finishing, handing back, and never hanging."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from toril.declarations.job_type import Retry
from toril.errors import PluginError


async def test_running_jobs_finish_within_the_grace_and_no_others_start(rig, wait_until):
    release = asyncio.Event()

    async def sync(job):
        await release.wait()

    rig.queue("orders", concurrency=1)
    rig.job(sync)
    running, waiting = await rig.add_many([None, None])
    worker = rig.start()
    await wait_until(lambda: rig.said("job_started"))

    stopping = asyncio.create_task(worker.stop(30))
    await asyncio.sleep(0)
    release.set()
    await stopping

    assert (await rig.state(running), await rig.state(waiting)) == ("completed", "waiting")


async def test_what_does_not_finish_is_handed_back_and_runs_next(rig, wait_until):
    async def sync(job):
        if job.fence == 1:
            await asyncio.Event().wait()

    rig.queue("orders", concurrency=2)
    rig.job(sync, retry=Retry(attempts=1))
    ids = await rig.add_many([None] * 4)
    worker = rig.start()
    await wait_until(lambda: len(rig.said("job_started")) == 2)

    await worker.stop(0)

    assert [await rig.state(job_id) for job_id in ids] == ["waiting"] * 4
    next_ones = await rig.redis.lrange(rig.keys().wait, -2, -1)
    assert {raw.decode() for raw in next_ones} == set(ids[:2])
    job = await rig.stored(ids[0])
    assert (job.attempts_made, job.stalled_count) == (0, 0)
    assert not await rig.redis.exists(rig.keys().lock(ids[0]))
    assert len(rig.said("job_given_back")) == 2


async def test_a_cancelled_coroutine_may_clean_up_and_still_hands_its_job_back(rig, wait_until):
    cleaned: list[str] = []

    async def sync(job):
        try:
            await asyncio.Event().wait()
        finally:
            assert job.cancelled.is_set()
            await job.log("cleaned up")
            cleaned.append(job.id)

    rig.job(sync)
    job_id = await rig.add()
    worker = rig.start()
    await wait_until(lambda: rig.said("job_started"))

    await worker.stop(0)

    assert (cleaned, await rig.state(job_id)) == ([job_id], "waiting")


async def test_a_job_that_returns_in_spite_of_the_cancel_is_completed(rig, wait_until):
    async def sync(job):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "saved what there was"

    rig.job(sync)
    job_id = await rig.add()
    worker = rig.start()
    await wait_until(lambda: rig.said("job_started"))

    await worker.stop(0)

    assert (await rig.stored(job_id)).returnvalue == "saved what there was"


async def test_a_thread_that_does_not_end_is_left_and_its_job_handed_back(rig, wait_until):
    release = threading.Event()
    rig.job(lambda job: release.wait(20))
    job_id = await rig.add()
    worker = rig.start()
    await wait_until(lambda: rig.said("job_started"))

    began = time.monotonic()
    await worker.stop(0.1)

    assert time.monotonic() - began < 3
    assert await rig.state(job_id) == "waiting"
    release.set()


async def test_a_coroutine_that_ignores_cancels_does_not_hold_up_the_end(rig, wait_until):
    release = asyncio.Event()

    async def sync(job):
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    rig.job(sync)
    job_id = await rig.add()
    worker = rig.start()
    await wait_until(lambda: rig.said("job_started"))

    await worker.stop(0)

    assert await rig.state(job_id) == "waiting"
    release.set()
    await asyncio.sleep(0)


async def test_stopping_twice_takes_the_shorter_grace(rig, wait_until):
    async def sync(job):
        await asyncio.Event().wait()

    rig.job(sync)
    await rig.add()
    worker = rig.start()
    await wait_until(lambda: rig.said("job_started"))

    began = time.monotonic()
    patient = asyncio.create_task(worker.stop(60))
    await asyncio.sleep(0)
    await worker.stop(0)
    await patient

    assert time.monotonic() - began < 3


async def test_a_worker_stopped_before_it_runs_ends_at_once(rig):
    worker = rig.make()

    await worker.stop(10)
    await worker.run()

    assert rig.hooks.told == []


async def test_an_idle_worker_stops_at_once(rig, wait_until):
    rig.job(lambda job: None)
    worker = rig.start()
    await rig.reaches(await rig.add(), "completed")

    began = time.monotonic()
    await worker.stop(30)

    assert time.monotonic() - began < 1
    assert [hook for hook, _ in rig.hooks.told if "worker" in hook] == [
        "toril_worker_started",
        "toril_worker_stopped",
    ]


async def test_a_worker_leaves_no_tasks_and_no_connections(rig, server, wait_until):
    before = asyncio.all_tasks()
    clients = await rig.redis.client_list()
    rig.job(lambda job: None)
    worker = rig.start(announce=True)
    await rig.reaches(await rig.add(), "completed")

    await worker.stop(0)
    await rig.task_of(worker)

    assert asyncio.all_tasks() - before == set()
    names = [client["name"] for client in await rig.redis.client_list()]
    assert sum(name.startswith(rig.keys().prefix) for name in names) == 0
    await wait_until(lambda: no_more_than(rig.redis, len(clients) + 3))


async def no_more_than(redis, count):
    return len(await redis.client_list()) <= count


async def test_parameters_that_do_not_fit_stop_the_worker_before_it_claims(rig):
    rig.job(lambda job, size: None, params=int, given={"size": "many"})

    with pytest.raises(PluginError) as raised:
        rig.make()

    assert str(raised.value) == (
        "jobs.sync.with does not fit processor 'sync': Expected `int`, got `object`"
    )
