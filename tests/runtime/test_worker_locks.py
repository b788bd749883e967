"""Tests of locks: renewal, loss, late results, jobs run alone after a crash."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from toril.declarations.units import Rate
from toril.runtime.call import Call
from toril.runtime.calls.claim import Owner
from toril.runtime.calls.limits import set_rate
from toril.runtime.calls.locks import hand_back
from toril.runtime.calls.settle import settle_and_claim
from toril.runtime.worker import launcher
from toril.runtime.worker.execution import Cause
from toril.runtime.worker.locks import LockKeeper, Renewal
from toril.runtime.worker.reconnect import Outage


async def hold_forever(job):
    await asyncio.Event().wait()


async def test_a_lock_is_taken_for_the_queues_time(rig, wait_until):
    rig.queue("orders", lock_ms=4_000)
    rig.job(hold_forever)
    job_id = await rig.add()
    rig.start(token="token-1")
    await wait_until(lambda: rig.said("job_started"))

    assert await rig.redis.get(rig.keys().lock(job_id)) == b"token-1"
    assert 3_000 < await rig.redis.pttl(rig.keys().lock(job_id)) <= 4_000


async def test_a_worker_on_its_own_renews_its_locks(rig, wait_until):
    rig.queue("orders", lock_ms=400)
    rig.job(hold_forever)
    job_id = await rig.add()
    worker = rig.start(renews_locks=True)
    await wait_until(lambda: rig.said("job_started"))
    began = time.monotonic()

    await wait_until(lambda: time.monotonic() - began > 1.2, within="3s")

    assert await rig.redis.exists(rig.keys().lock(job_id))
    assert [running for _, running, _ in worker.running] == [job_id]


async def test_a_late_result_is_refused_when_the_lock_is_lost(rig, wait_until):
    release = asyncio.Event()
    results = iter(["late", "second"])

    async def sync(job):
        result = next(results)
        if result == "late":
            await release.wait()
        return result

    rig.queue("orders", concurrency=1)
    rig.job(sync)
    job_id = await rig.add()
    rig.start("orders", token="slow")
    await wait_until(lambda: rig.said("job_started"))
    await give_back(rig, "slow")
    rig.start("orders", token="quick")
    assert (await rig.reaches(job_id, "completed")).returnvalue == "second"

    release.set()

    await wait_until(lambda: rig.said("lock_lost"))
    job = await rig.stored(job_id)
    assert (job.returnvalue, job.attempts_made, job.attempts_started) == ("second", 1, 2)
    assert len(rig.hooks.of("toril_job_completed")) == 1


async def test_a_late_result_is_refused_by_a_later_start_in_the_same_worker(rig, wait_until):
    release = asyncio.Event()

    async def sync(job):
        if job.fence == 1:
            await release.wait()
        return job.fence

    rig.job(sync)
    job_id = await rig.add()
    rig.start(token="same")
    await wait_until(lambda: rig.said("job_started"))
    await give_back(rig, "same")

    assert (await rig.reaches(job_id, "completed")).returnvalue == 2
    assert rig.said("lock_lost")


async def test_a_job_that_is_no_longer_ours_is_cancelled(rig, wait_until):
    cancelled: list[bool] = []

    async def sync(job):
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(job.cancelled.is_set())

    rig.job(sync)
    await rig.add()
    worker = rig.start()
    await wait_until(lambda: rig.said("job_started"))

    worker.keep_locked(["orders"], {}, rig.clock.monotonic())

    await wait_until(lambda: cancelled)
    assert cancelled == [True]
    await wait_until(lambda: not worker.running)
    assert len(rig.said("lock_lost")) == 1
    assert not rig.said("job_given_back")


async def test_a_renewal_older_than_the_claim_cancels_nothing(rig, wait_until):
    rig.job(hold_forever)
    before = rig.clock.monotonic()
    await rig.add()
    worker = rig.start()
    await wait_until(lambda: rig.said("job_started"))

    worker.keep_locked(["orders"], {}, before)

    await asyncio.sleep(0)
    assert len(worker.running) == 1


@pytest.mark.parametrize("cause", [Cause.LOST, Cause.CANCELLED, Cause.STOPPING])
async def test_a_run_that_is_stopped_before_it_began_leaves_its_slot(
    rig, wait_until, monkeypatch, cause
):
    # From Python 3.12 on the first step is taken at once.
    monkeypatch.setattr(launcher, "_create_task", asyncio.ensure_future)
    ran: list[str] = []
    rig.job(lambda job: ran.append(job.id), run_in="async")
    worker = rig.start("orders", token="mine")
    await rig.reaches(await rig.add(), "completed")
    job = await claim_behind_its_back(rig, "mine")
    served = worker._queues["orders"]

    worker._in_hand.deliver(served, [job])
    served.running[job.id].stop(cause)

    await wait_until(lambda: not worker.running)
    assert job.id not in ran or cause is Cause.STOPPING
    if cause is Cause.STOPPING:
        await rig.reaches(job.id, "completed")


async def test_a_thread_that_lost_its_job_keeps_its_slot_and_is_ignored(rig, wait_until):
    release = threading.Event()
    rig.queue("orders", concurrency=1)
    rig.job(lambda job: job.data == "first" and job.cancelled.wait(5) and release.wait(5))
    lost, other = await rig.add_many(["first", "second"])
    worker = rig.start()
    await wait_until(lambda: rig.said("job_started"))

    worker.keep_locked(["orders"], {}, rig.clock.monotonic())
    await asyncio.sleep(0)

    assert [running for _, running, _ in worker.running] == [lost]
    assert await rig.state(other) == "waiting"
    release.set()
    await rig.reaches(other, "completed")
    assert await rig.state(lost) == "active"


async def test_a_job_claimed_without_our_hearing_is_found_by_renewals(rig, wait_until):
    rig.job(lambda job: None)
    rig.start("mails", token="forgetful")
    worker = rig.start("orders", token="forgetful")
    await rig.reaches(await rig.add(), "completed")
    job_id = (await claim_behind_its_back(rig, "forgetful")).id

    for _ in range(2):
        worker.keep_locked(["orders"], {"orders": [job_id]}, rig.clock.monotonic())

    await rig.reaches(job_id, "completed")


async def test_the_keeper_renews_all_tokens_and_tells_who_owns_what(rig, wait_until):
    told: list[Renewal] = []
    rig.queue("orders", lock_ms=400)
    rig.job(hold_forever)
    first = await rig.add()
    rig.start("orders", token="one")
    await rig.reaches(first, "active")
    second = await rig.add()
    await rig.reaches(second, "active")
    await rig.redis.pexpire(rig.keys().lock(first), 50)
    keeper = LockKeeper(
        rig.sender,
        rig.clock,
        [rig.pipeline.queues["orders"]],
        lambda: ["one", "two"],
        prefix=rig.keys().prefix,
        on_renewed=told.append,
        outage=Outage(rig.clock, lambda event, fields: None),
    )

    await keeper.renew_now()

    assert told[0].queues == ["orders"]
    assert {queue: set(ids) for queue, ids in told[0].of("one").items()} == {
        "orders": {first, second}
    }
    assert told[0].of("two") == {}
    assert told[0].as_of <= rig.clock.monotonic()
    assert await rig.redis.pttl(rig.keys().lock(first)) > 100


async def test_adopted_jobs_run_one_at_a_time_and_then_the_worker_ends(rig, wait_until):
    running = most = 0

    async def sync(job):
        nonlocal running, most
        if job.fence == 1:
            await asyncio.Event().wait()
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    rig.job(sync)
    ids = await rig.add_many([None] * 5)
    rig.start(token="dead")
    await wait_until(lambda: len(rig.said("job_started")) == 5)
    other = await rig.add(name="mail", queue="mails")
    await rig.reaches(other, "failed", "mails")
    waiting = await rig.add_many([None] * 20)

    alone = rig.start(token="alone", adopt=[("orders", "dead"), ("mails", "dead")])
    await asyncio.wait_for(rig.task_of(alone), 4)

    assert [await rig.state(job_id) for job_id in ids] == ["completed"] * 5
    assert most == 1
    assert await rig.state(waiting[-1]) == "waiting"


async def test_adopted_jobs_keep_to_the_rate_limit_as_any_start_does(rig):
    clock = rig.use_virtual_clock()
    began, started = clock.now_ms(), []
    rig.job(lambda job: started.append(clock.now_ms()), run_in="async")
    await rig.sender.send(set_rate(rig.keys(), Rate(2, 10_000)))
    await rig.add_many([None] * 2)
    for _ in range(2):
        await claim_behind_its_back(rig, "dead")

    alone = rig.start(token="alone", adopt=[("orders", "dead")])
    for _ in range(300):
        await asyncio.sleep(0.002)
        clock.advance(0.05)
        if rig.task_of(alone).done():
            break

    assert len(started) == 2
    assert min(started) >= began + 10_000


async def test_an_adopted_job_that_was_lost_before_its_turn_is_not_run(rig, wait_until):
    clock = rig.use_virtual_clock()
    rig.job(lambda job: None, run_in="async")
    await rig.sender.send(set_rate(rig.keys(), Rate(1, 10_000)))
    await rig.add()
    await claim_behind_its_back(rig, "dead")
    alone = rig.start(token="alone", adopt=[("orders", "dead")])
    lock = rig.keys().lock("job-1")
    await wait_until(lambda: alone._ground.alarms._heap)
    await rig.redis.set(lock, "another's")

    clock.advance(10)
    await asyncio.wait_for(rig.task_of(alone), 4)

    assert not rig.said("job_started")


async def test_an_isolation_worker_that_waits_for_the_rate_can_be_stopped(rig):
    rig.job(lambda job: None)
    await rig.sender.send(set_rate(rig.keys(), Rate(1, 3_600_000)))
    await rig.add()
    await claim_behind_its_back(rig, "dead")
    alone = rig.start(token="alone", adopt=[("orders", "dead")])
    for _ in range(800):
        if await rig.redis.get(rig.keys().lock("job-1")) == b"alone":
            break
        await asyncio.sleep(0.005)

    await asyncio.wait_for(alone.stop(0), 4)

    assert not rig.said("job_started")
    assert await rig.redis.llen(rig.keys().active) == 1


async def test_jobs_moved_to_its_own_token_before_it_started_are_run_too(rig):
    rig.job(lambda job: None)
    await rig.add_many([None] * 3)
    job_ids = [(await claim_behind_its_back(rig, "alone")).id for _ in range(3)]

    alone = rig.start(token="alone", adopt=[("orders", "alone")])
    await asyncio.wait_for(rig.task_of(alone), 4)

    assert [await rig.state(job_id) for job_id in job_ids] == ["completed"] * 3


async def test_an_isolation_worker_can_be_stopped_in_between(rig, wait_until):
    rig.job(hold_forever)
    await rig.add_many([None] * 2)
    for _ in range(2):
        await claim_behind_its_back(rig, "alone")
    alone = rig.start(token="alone", adopt=[("orders", "alone")])
    await wait_until(lambda: rig.said("job_started"))

    await alone.stop(0)

    assert len(rig.said("job_started")) == 1
    # The rest never left Redis's `active`; whoever started the worker hands it back.
    assert await rig.redis.llen(rig.keys().active) == 1


async def test_a_job_that_blocks_the_loop_is_named(rig, wait_until):
    async def sync(job):
        threading.Event().wait(1.6)

    rig.job(sync)
    job_id = await rig.add()
    rig.start()
    await rig.reaches(job_id, "completed")

    await wait_until(lambda: rig.said("loop_blocked"), within="3s")
    [blocked] = rig.said("loop_blocked")
    assert blocked["job"] == job_id
    assert 1.0 <= blocked["blocked_s"] <= 3.0
    assert f"{__file__}:" in blocked["where"]


async def give_back(rig, token):
    await rig.sender.send(hand_back(rig.keys(), token))


async def claim_behind_its_back(rig, token):
    if not await rig.redis.llen(rig.keys().wait):
        await rig.redis.hset(rig.keys().meta, "paused", 1)
        await rig.add()
    claim = settle_and_claim(
        rig.keys(), owner=Owner(token, 30_000), claim=1, now_ms=rig.clock.now_ms()
    )
    # In one trip, or the running worker may be quicker.
    resume = Call(None, (), ("HDEL", rig.keys().meta, "paused"), int)
    _, reply = await rig.sender.send_many([resume, claim])
    [job] = reply.jobs
    return job
