"""Tests of claims that stand at the server while their worker is idle."""

from __future__ import annotations

import asyncio

import pytest

from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.claim import Owner
from toril.runtime.calls.settle import settle_and_claim
from toril.runtime.job import NewJob
from toril.runtime.worker.rounds import MOST_STANDING


@pytest.fixture
def stands(wait_until):
    """Waits until a claim of the worker's stands behind its block."""

    async def wait(worker):
        await wait_until(lambda: worker._markers._blocked_on and worker._rounds._standing)

    return wait


async def test_a_job_comes_with_its_marker(rig, stands):
    rig.job(lambda job: None, run_in="async")
    worker = rig.start()
    await stands(worker)
    worker._rounds.may_claim = False

    await rig.reaches(await rig.add(), "completed")


async def test_those_that_come_together_are_all_run(rig, stands):
    rig.job(lambda job: None, run_in="async")
    rig.job(lambda job: None, "send", queue="mails", run_in="async")
    worker = rig.start()
    await stands(worker)

    ids = await rig.add_many([None] * 20)
    mails = await rig.add_many([None] * 20, "send", queue="mails")

    for job_id in ids:
        await rig.reaches(job_id, "completed")
    for job_id in mails:
        await rig.reaches(job_id, "completed", "mails")
    await stands(worker)


async def test_none_stands_while_a_job_runs_and_others_are_still_claimed(rig, stands, wait_until):
    release = asyncio.Event()

    async def hold(job):
        await release.wait()

    rig.job(hold)
    rig.job(lambda job: None, "quick", run_in="async")
    worker = rig.start("orders")
    await stands(worker)
    held = await rig.add()
    await rig.reaches(held, "active")

    await wait_until(lambda: worker._markers._blocked_on)
    assert not worker._rounds._standing
    await rig.reaches(await rig.add(name="quick"), "completed")
    release.set()
    await rig.reaches(held, "completed")
    await stands(worker)


async def test_it_is_recalled_for_a_delayed_job_that_comes_due(rig, stands, wait_until):
    rig.queue("orders", concurrency=1)
    rig.job(lambda job: None, run_in="async")
    worker = rig.start("orders")
    await stands(worker)

    job_id = await rig.add(delay_ms=200)
    await wait_until(lambda: worker._queues["orders"]._due)
    await stands(worker)

    await rig.reaches(job_id, "completed", within_s=2)


async def test_a_delayed_job_that_comes_due_behind_it_is_not_forgotten(rig, stands):
    rig.job(lambda job: None, run_in="async")
    worker = rig.start("orders")
    await stands(worker)
    now_ms = rig.clock.now_ms()
    # Due by the worker's clock as it reads the marker, not by the server's as that was popped.
    rig.clock.offset_ms = 50
    job = NewJob(
        queue="orders", id="soon", name="sync", data=b"{}", timestamp_ms=now_ms, delay_ms=30
    )

    await rig.sender.send(add_jobs(rig.keys().prefix, [job], now_ms=now_ms))

    await rig.reaches("soon", "completed", within_s=2)


async def test_a_job_that_it_claims_for_a_worker_that_stops_is_handed_back(rig, stands):
    rig.job(lambda job: None, run_in="async")
    worker = rig.start("orders")
    await stands(worker)
    worker._in_hand.is_closing = True
    job_id = await rig.add()

    await worker.stop(1)

    job = await rig.stored(job_id)
    assert await rig.state(job_id) == "waiting"
    assert job.attempts_made == 0
    # Handed back it is there again, until the worker stops.
    assert job.attempts_started >= 1
    assert await rig.redis.zscore(rig.keys().marker, "0") is not None


async def test_stopping_ends_it_and_keeps_no_slot(rig, stands):
    rig.job(lambda job: None, run_in="async")
    worker = rig.start("orders")
    await stands(worker)

    await worker.stop(1)

    assert worker._queues["orders"].is_settled
    job_id = await rig.add()
    assert await rig.state(job_id) == "waiting"
    assert await rig.redis.zscore(rig.keys().marker, "0") is not None


async def test_a_paused_queue_gives_it_nothing(rig, stands):
    rig.job(lambda job: None, run_in="async")
    worker = rig.start("orders")
    await stands(worker)
    await rig.redis.hset(rig.keys().meta, "paused", "1")

    job_id = await rig.add()
    await rig.redis.zadd(rig.keys().marker, {"0": 0})
    await stands(worker)

    assert await rig.state(job_id) == "waiting"


async def test_a_job_that_was_claimed_unseen_is_found_although_a_claim_stands(rig, stands):
    rig.job(lambda job: None, run_in="async")
    worker = rig.start("orders", token="ours")
    await stands(worker)
    now_ms = rig.clock.now_ms()
    lost = NewJob(queue="orders", id="lost", name="sync", data=b"{}", timestamp_ms=now_ms)
    unseen = settle_and_claim(rig.keys(), owner=Owner("ours", 30_000), claim=1, now_ms=now_ms)
    added = add_jobs(rig.keys().prefix, [lost], now_ms=now_ms)
    await rig.sender.send_many([added, unseen])
    await stands(worker)

    for _ in range(2):
        worker.keep_locked(["orders"], {"orders": ["lost"]}, 0.0)

    assert (await rig.reaches("lost", "completed")).attempts_started == 1
    await stands(worker)


async def test_none_stands_for_many_queues_or_with_a_clock_that_is_not_the_servers(rig, wait_until):
    many = [f"queue-{number}" for number in range(MOST_STANDING + 1)]
    for name in many:
        rig.queue(name)
    wide = rig.start(*many)
    rig.use_virtual_clock()
    virtual = rig.start("orders")

    for worker in (wide, virtual):
        await wait_until(lambda worker=worker: worker._markers._blocked_on)
        assert worker._rounds.is_quiet
        assert not worker._rounds._standing


async def test_it_is_recalled_while_the_reply_to_an_earlier_unblock_is_late(
    rig, stands, wait_until, monkeypatch
):
    rig.job(lambda job: None, run_in="async")
    worker = rig.start("orders")
    await stands(worker)
    gate, send, late = asyncio.Event(), rig.sender.send, []

    async def send_late(call):
        reply = await send(call)
        if call.args[:2] == ("CLIENT", "UNBLOCK") and not late:
            late.append(reply)
            await gate.wait()
        return reply

    monkeypatch.setattr(rig.sender, "send", send_late)
    served = worker._queues["orders"]
    served.become_hungry()
    await wait_until(lambda: late == [1])
    await stands(worker)
    served.become_hungry()
    await wait_until(lambda: worker._rounds.is_recalled)
    gate.set()

    await wait_until(lambda: not worker._rounds.is_recalled)
