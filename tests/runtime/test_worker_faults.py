"""Tests of the worker when Redis's replies are lost, or Redis itself is for a while."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.proxy import Proxy, sends

from toril.declarations.job_type import Retry
from toril.runtime import connection
from toril.runtime.calls.claim import Owner
from toril.runtime.calls.settle import settle_and_claim
from toril.runtime.connection import connect
from toril.runtime.worker import markers

SETTLE = sends("settle_and_claim")


@pytest.fixture
async def proxy(server, tmp_path: Path) -> AsyncIterator[Proxy]:
    made = Proxy(server.url.removeprefix("unix://"), str(tmp_path / "proxy"))
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def start(rig, proxy):
    """Starts a worker whose every connection goes through the proxy."""

    def start(*queues, **given):
        return rig.start(
            *queues,
            sender=rig.own_sender(proxy.url),
            connect_blocking=lambda: connect(proxy.url, blocking=True),
            **given,
        )

    yield start
    await rig.close()


async def count_active(rig):
    return await rig.redis.llen(rig.keys().active)


async def test_jobs_whose_claim_got_no_reply_are_run(rig, start, proxy, wait_until):
    runs: list[str] = []
    rig.job(lambda job: runs.append(job.id), run_in="async")
    ids = await rig.add_many([None] * 3)
    proxy.lose_reply(SETTLE)
    start("orders")

    for job_id in ids:
        job = await rig.reaches(job_id, "completed")
        assert (job.attempts_made, job.attempts_started, job.stalled_count) == (1, 1, 0)
    assert sorted(runs) == sorted(ids)
    assert proxy.lost == 1
    assert rig.said("redis_unavailable")
    await wait_until(lambda: rig.said("redis_available"))


async def test_a_settlement_that_got_no_reply_is_not_made_twice(rig, start, proxy, wait_until):
    release = asyncio.Event()
    runs: list[str] = []

    async def sync(job):
        runs.append(job.id)
        await release.wait()

    rig.job(sync)
    job_id = await rig.add()
    start("orders")
    await wait_until(lambda: runs)

    proxy.lose_reply(lambda request: SETTLE(request) and job_id.encode() in request)
    release.set()

    await wait_until(lambda: rig.said("job_completed"))
    assert proxy.lost == 1
    assert runs == [job_id]
    events = await rig.redis.xrange(rig.keys().events)
    assert [fields[b"event"] for _, fields in events].count(b"completed") == 1
    assert (await rig.stored(job_id)).attempts_made == 1
    assert not rig.said("lock_lost")


async def test_a_retry_that_got_no_reply_runs_once_more_and_only_once(
    rig, start, proxy, wait_until
):
    release = asyncio.Event()
    fences: list[int] = []

    async def sync(job):
        fences.append(job.fence)
        if job.attempt == 1:
            await release.wait()
            raise ConnectionError("away")

    rig.job(sync, retry=Retry(attempts=2))
    job_id = await rig.add()
    start("orders")
    await wait_until(lambda: fences)

    # The same call that settles the retry claims the job again.
    proxy.lose_reply(lambda request: SETTLE(request) and job_id.encode() in request)
    release.set()

    job = await rig.reaches(job_id, "completed")
    assert proxy.lost == 1
    assert (job.attempts_made, fences) == (2, [1, 2])


async def test_while_redis_is_away_jobs_run_on_and_are_settled_after(rig, start, proxy, wait_until):
    release = asyncio.Event()
    ended: list[str] = []

    async def sync(job):
        await release.wait()
        ended.append(job.id)

    rig.queue("orders", concurrency=3)
    rig.job(sync)
    ids = await rig.add_many([None] * 5)
    start("orders")
    await wait_until(lambda: len(rig.said("job_started")) == 3)

    await proxy.stop()
    release.set()
    await wait_until(lambda: len(ended) == 3)
    assert await count_active(rig) == 3
    await proxy.start()

    for job_id in ids:
        job = await rig.reaches(job_id, "completed", within_s=8)
        assert job.attempts_started == 1


async def test_an_outage_is_said_once_a_second_and_costs_little(rig, start, proxy, wait_until):
    rig.job(lambda job: None)
    start()
    await rig.reaches(await rig.add(), "completed")
    await proxy.stop()
    await wait_until(lambda: rig.said("redis_unavailable"))
    cpu, began, opened = time.process_time(), time.monotonic(), proxy.opened

    await wait_until(lambda: time.monotonic() - began > 2.5, within="5s", every=0.1)

    assert len(rig.said("redis_unavailable")) <= 4
    assert (time.process_time() - cpu) / 2.5 < 0.1
    assert proxy.opened == opened
    await proxy.start()
    await rig.reaches(await rig.add(), "completed", within_s=8)


async def test_a_worker_that_starts_before_redis_waits_for_it(rig, start, proxy, wait_until):
    await proxy.stop()
    rig.job(lambda job: None)
    job_id = await rig.add()
    start("orders")
    await wait_until(lambda: rig.said("redis_unavailable"))

    await proxy.start()

    await rig.reaches(job_id, "completed", within_s=8)


async def test_progress_told_during_an_outage_arrives_after_it(rig, start, proxy, wait_until):
    go = asyncio.Event()

    async def sync(job):
        await go.wait()
        await job.progress(70)
        return "told"

    rig.job(sync)
    job_id = await rig.add()
    start("orders")
    await wait_until(lambda: rig.said("job_started"))
    await proxy.stop()
    go.set()
    await wait_until(lambda: rig.said("redis_unavailable"))
    await proxy.start()

    job = await rig.reaches(job_id, "completed", within_s=8)
    assert (job.progress, job.returnvalue, job.attempts_made) == (70, "told", 1)


async def test_connections_cut_again_and_again_lose_and_double_nothing(rig, start, proxy):
    runs: list[str] = []
    is_time = asyncio.Event()

    async def sync(job):
        await asyncio.sleep(0.001)
        runs.append(job.id)
        if len(runs) % 20 == 0:
            is_time.set()

    rig.queue("orders", concurrency=10)
    rig.job(sync)
    ids = await rig.add_many([None] * 300)
    start("orders")

    async def cut():
        while True:
            await is_time.wait()
            is_time.clear()
            await proxy.cut()

    cutting = asyncio.create_task(cut())
    try:
        for job_id in ids:
            job = await rig.reaches(job_id, "completed", within_s=20)
            assert (job.attempts_made, job.stalled_count) == (1, 0)
    finally:
        cutting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await cutting
    assert sorted(runs) == sorted(ids)
    assert not rig.said("lock_lost")


async def test_flushed_scripts_are_no_trouble(rig):
    rig.queue("orders", concurrency=5)
    rig.job(lambda job: rig.redis.script_flush(), run_in="async")
    ids = await rig.add_many([None] * 50)
    rig.start()

    for job_id in ids:
        assert (await rig.reaches(job_id, "completed")).attempts_made == 1
    assert not rig.said("redis_unavailable")
    assert not rig.said("call_failed")


async def test_a_settlement_that_redis_answers_with_an_error_is_sent_again_alone(rig, wait_until):
    release = asyncio.Event()

    async def sync(job):
        await release.wait()

    rig.job(sync)
    ids = await rig.add_many([None] * 3)
    rig.start("orders")
    await wait_until(lambda: len(rig.said("job_started")) == 3)
    await rig.redis.rename(rig.keys().events, rig.keys().own("kept"))
    await rig.redis.set(rig.keys().events, "of the wrong type")
    release.set()

    await wait_until(lambda: len(rig.said("job_unsettled")) >= 3, within="8s")
    await rig.redis.delete(rig.keys().events)

    for job_id in ids:
        assert (await rig.reaches(job_id, "completed", within_s=8)).attempts_started == 1
    assert rig.said("call_failed")


async def test_stopping_while_redis_is_away_ends_in_time(rig, start, proxy, wait_until):
    release = asyncio.Event()

    async def sync(job):
        await release.wait()

    rig.job(sync)
    await rig.add()
    worker = start("orders")
    await wait_until(lambda: rig.said("job_started"))
    await proxy.stop()
    release.set()

    began = time.monotonic()
    await worker.stop(0.2)

    assert time.monotonic() - began < 4


async def test_a_connection_that_fell_silent_is_left_for_another(
    rig, start, proxy, monkeypatch, wait_until
):
    monkeypatch.setattr(markers, "BLOCK_S", 0.05)
    monkeypatch.setattr(markers, "LATE_S", 0.1)
    monkeypatch.setattr(connection, "REPLY_TIMEOUT_S", 0.2)
    rig.job(lambda job: None)
    worker = start("orders")
    await wait_until(lambda: worker._markers._blocked_on)

    proxy.is_silent = True
    await wait_until(lambda: rig.said("redis_unavailable"))
    proxy.is_silent = False
    await proxy.cut()

    await rig.reaches(await rig.add(), "completed", within_s=8)


async def test_a_worker_that_still_waits_for_redis_can_be_stopped(rig, start, proxy, wait_until):
    await proxy.stop()
    worker = start("orders")
    await wait_until(lambda: rig.said("redis_unavailable"))

    began = time.monotonic()
    await worker.stop(10)

    assert time.monotonic() - began < 3


async def test_an_isolation_worker_whose_connections_are_cut_still_runs_one_at_a_time(
    rig, start, proxy
):
    running = most = 0

    async def sync(job):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await proxy.cut()
        await asyncio.sleep(0.01)
        running -= 1

    rig.job(sync)
    ids = await rig.add_many([None] * 4)
    owner = Owner("dead", 30_000)
    await rig.sender.send(
        settle_and_claim(rig.keys(), owner=owner, claim=4, now_ms=rig.clock.now_ms())
    )

    alone = start("orders", token="alone", adopt=[("orders", "dead")])
    await asyncio.wait_for(rig.task_of(alone), 15)

    for job_id in ids:
        job = await rig.stored(job_id)
        assert (job.attempts_made, job.attempts_started) == (1, 2)
    assert most == 1


async def stands(worker):
    return worker._markers._blocked_on and worker._rounds._standing


async def test_a_job_whose_standing_claim_got_no_reply_is_run(rig, start, proxy, wait_until):
    runs: list[str] = []
    rig.job(lambda job: runs.append(job.id), run_in="async")
    proxy.lose_reply(b"BZPOPMIN")
    worker = start("orders")
    await wait_until(lambda: stands(worker))

    job_id = await rig.add()

    job = await rig.reaches(job_id, "completed")
    assert (job.attempts_made, job.attempts_started, job.stalled_count) == (1, 1, 0)
    assert runs == [job_id]
    assert proxy.lost == 1


async def test_a_worker_whose_connections_are_cut_while_a_claim_stands_goes_on(
    rig, start, proxy, wait_until
):
    rig.job(lambda job: None, run_in="async")
    worker = start("orders")
    await wait_until(lambda: stands(worker))

    await proxy.cut()

    await rig.reaches(await rig.add(), "completed")
    await wait_until(lambda: stands(worker))
    assert worker._queues["orders"].free == worker._queues["orders"].concurrency - 1


async def test_a_server_that_forgot_the_script_of_a_standing_claim_has_the_job_claimed_by_a_round(
    rig, wait_until
):
    rig.job(lambda job: None, run_in="async")
    worker = rig.start("orders")
    await wait_until(lambda: stands(worker))
    await rig.reaches(await rig.add(), "completed")
    await wait_until(lambda: stands(worker))
    await rig.redis.script_flush()

    await rig.reaches(await rig.add(), "completed")

    await wait_until(lambda: stands(worker))
    assert not rig.said("call_failed")
