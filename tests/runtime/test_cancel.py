"""Cancelling jobs: those that wait, those that run, and those that come back."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from dataclasses import replace

import pytest

from toril.declarations.backoff import Backoff
from toril.declarations.dead_letter import DeadLetterRule
from toril.declarations.flow import Flow, Step
from toril.declarations.job_type import Retry
from toril.errors import JobNotFound, WrongState
from toril.runtime.calls.jobs import list_jobs, retry_job
from toril.runtime.cancel import Cancelling
from toril.runtime.fsck import check_queue
from toril.runtime.states import JobState
from toril.trees import Tree


async def nothing(job):
    return "ran"


@pytest.mark.parametrize("how", [{}, {"priority": 3}, {"delay": "1h"}])
async def test_a_job_that_does_not_run_fails_at_once(rig, make_client, how):
    rig.job(nothing)
    job = await make_client().add("sync", {}, **how)

    answer = await job.cancel("no longer wanted")

    stored = await rig.reaches(job.id, "failed")
    assert answer is Cancelling.CANCELLED
    assert stored.failed_reason == "cancelled: no longer wanted"
    assert stored.attempts_made == 0
    assert await check_queue(rig.sender, rig.keys()) == []


async def test_its_event_tells_where_it_was(rig, make_client):
    rig.job(nothing)
    job = await make_client().add("sync", {}, delay="1h")

    await job.cancel()

    [(_, event)] = await rig.redis.xrevrange(rig.keys().events, count=1)
    assert event == {
        b"event": b"failed",
        b"jobId": job.id.encode(),
        b"failedReason": b"cancelled",
        b"prev": b"delayed",
    }


async def test_a_running_coroutine_is_cancelled(rig, make_client):
    began, ended = asyncio.Event(), []

    async def sync(job):
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(job.cancelled.is_set())

    rig.job(sync, retry=Retry(attempts=5))
    job = await make_client().add("sync", {})
    rig.start()
    await began.wait()

    answer = await job.cancel("stop")

    stored = await rig.reaches(job.id, "failed")
    assert (answer, ended) == (Cancelling.TOLD, [True])
    assert (stored.failed_reason, stored.attempts_made) == ("cancelled: stop", 1)
    assert rig.hooks.of("toril_job_failed")[0]["error"] == "cancelled: stop"


async def test_a_running_thread_sees_it(rig, make_client):
    began = threading.Event()

    def sync(job):
        began.set()
        job.cancelled.wait()
        return "late"

    rig.job(sync)
    job = await make_client().add("sync", {})
    rig.start()
    await asyncio.to_thread(began.wait)

    await job.cancel()

    assert (await rig.reaches(job.id, "failed")).failed_reason == "cancelled"


async def test_a_coroutine_that_swallows_it_fails_when_it_ends(rig, make_client):
    began, lets_go = asyncio.Event(), asyncio.Event()

    async def sync(job):
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await lets_go.wait()
        return "done all the same"

    rig.job(sync)
    job = await make_client().add("sync", {})
    rig.start()
    await began.wait()
    await job.cancel()

    assert await rig.state(job.id) == "active"
    lets_go.set()

    assert (await rig.reaches(job.id, "failed")).failed_reason == "cancelled"


async def test_a_lost_message_is_made_good(rig, make_client, monkeypatch):
    monkeypatch.setattr("toril.runtime.worker.cancellations.LOOK_EVERY_S", 0.05)
    began = asyncio.Event()

    async def sync(job):
        began.set()
        await asyncio.Event().wait()

    rig.job(sync)
    job = await make_client().add("sync", {})
    rig.start()
    await began.wait()

    # As if the message had been lost.
    await rig.redis.hset(rig.keys().job(job.id), "t:c", "cancelled")

    await rig.reaches(job.id, "failed")


async def test_a_cancelled_job_whose_worker_died_does_not_run_again(rig, make_client):
    rig.job(nothing)
    job = await make_client().add("sync", {})
    await rig.redis.hset(rig.keys().job(job.id), "t:c", "cancelled: before it died")

    rig.start()

    assert (await rig.reaches(job.id, "failed")).failed_reason == "cancelled: before it died"
    assert rig.hooks.of("toril_job_started") == []


async def test_a_finished_job_cannot_be_cancelled(rig, make_client):
    rig.job(nothing)
    client = make_client()
    job = await client.add("sync", {})
    rig.start()
    await rig.reaches(job.id, "completed")

    with pytest.raises(WrongState, match="is completed; only an unfinished job can be cancelled"):
        await job.cancel()
    with pytest.raises(JobNotFound, match="no job 'x' in queue 'orders'"):
        await client.job("orders", "x").cancel()


async def test_a_job_of_another_runtime_is_marked_and_goes_on(rig, make_client):
    rig.job(nothing)
    job = await make_client().add("sync", {})
    await rig.redis.lmove(rig.keys().wait, rig.keys().active, "RIGHT", "LEFT")
    await rig.redis.set(rig.keys().lock(job.id), "node", px=30_000)

    assert await job.cancel() is Cancelling.ELSEWHERE
    assert await rig.state(job.id) == "active"


async def test_a_cancelled_job_runs_again_when_it_is_retried(rig, make_client):
    rig.job(nothing)
    job = await make_client().add("sync", {})
    await job.cancel()

    await rig.sender.send(retry_job(rig.keys(), job.id, now_ms=rig.clock.now_ms()))
    rig.start()

    await rig.reaches(job.id, "completed")


async def test_a_parent_learns_that_its_child_was_cancelled(rig, make_client):
    rig.job(nothing)
    client = make_client()
    tree = await client.add_tree(Tree("sync", {}, children=(Tree("sync", {}, delay="1h"),)))
    parent, child = (handle.id for handle in tree)

    await client.job("orders", child).cancel()
    rig.start()

    reason = (await rig.reaches(parent, "failed")).failed_reason
    assert reason == f"child {rig.keys().job(child)} failed"


async def test_a_parent_that_waits_for_children_can_be_cancelled(rig, make_client):
    rig.job(nothing)
    client = make_client()
    tree = await client.add_tree(Tree("sync", {}, children=(Tree("sync", {}),)))
    parent, child = (handle.id for handle in tree)

    await client.job("orders", parent).cancel()
    rig.start()

    await rig.reaches(child, "completed")
    assert await rig.state(parent) == "failed"


async def test_all_below_a_job_can_be_cancelled_with_it(rig, make_client):
    gate, stopped = asyncio.Event(), []

    async def sync(job):
        try:
            await gate.wait()
        except asyncio.CancelledError:
            stopped.append(job.id)
            raise

    rig.job(sync)
    rig.queue("orders", concurrency=1)
    client = make_client()
    below = Tree("sync", {}, id="below", children=(Tree("sync", {}, id="running"),))
    waiting = Tree("sync", {}, id="waiting", delay="1h")
    await client.add_tree(Tree("sync", {}, id="top", children=(below, waiting)))
    await client.add("sync", {}, id="other", delay="1h")
    rig.start()
    await rig.reaches("running", "active")

    answer = await client.job("orders", "top").cancel("enough", with_children=True)

    assert answer is Cancelling.CANCELLED
    for job_id in ("top", "below", "running", "waiting"):
        assert (await rig.reaches(job_id, "failed")).failed_reason == "cancelled: enough"
    assert stopped == ["running"]
    assert await rig.state("other") == "delayed"
    assert await check_queue(rig.sender, rig.keys()) == []


async def test_a_run_of_a_flow_is_cancelled_and_can_be_retried(rig, make_client, wait_until):
    """What ended stays; items, several last steps and steps that two others need go as well."""
    gate, running = asyncio.Event(), []

    async def work(job):
        if job.data.get("waits"):
            running.append(job.id)
            await gate.wait()

    rig.job(work, "work")
    rig.queue("orders", concurrency=2)
    steps = [
        Step(name="done", job="work"),
        Step(name="items", job="work", needs=("done",), foreach=[1, 2, 3, 4], data={"waits": True}),
        Step(name="shared", job="work", needs=("items",)),
        Step(name="left", job="work", needs=("shared",)),
        Step(name="right", job="work", needs=("shared",)),
    ]
    flow = Flow(name="daily", steps={step.name: step for step in steps})
    rig.pipeline = replace(rig.pipeline, flows={"daily": flow})
    rig.start()
    run = await make_client().start_flow("daily", {}, run_id="r1")
    await wait_until(lambda: len(running) == 2)

    cancelled = await run.cancel("enough")

    await wait_until(lambda: len(rig.said("job_failed")) == 2)
    view = await run.state()
    assert set(cancelled) == {"items", "shared", "left", "right"}
    assert {name: step.state for name, step in view.steps.items()} == {
        "done": "completed",
        **dict.fromkeys(cancelled, "failed"),
    }
    assert {view.steps[name].error for name in cancelled} == {"cancelled: enough"}
    with pytest.raises(WrongState, match="all steps of run 'r1' of flow 'daily' have ended"):
        await run.cancel()
    gate.set()
    await run.retry()
    assert (await run.wait("10s")).state == "completed"
    assert await check_queue(rig.sender, rig.keys()) == []


@pytest.mark.parametrize(("when", "letters"), [(None, 1), ("${{ error.type != 'Cancelled' }}", 0)])
async def test_a_cancelled_job_leaves_a_dead_letter_if_that_is_wanted(
    rig, make_client, when, letters
):
    rig.queue("letters")
    rig.job(nothing, dead_letter=DeadLetterRule(queue="letters", when=when))
    job = await make_client().add("sync", {})

    await job.cancel()

    found = await rig.sender.send(list_jobs(rig.keys("letters"), JobState.WAITING))
    assert len(found) == letters


async def test_jobs_cancelled_at_random_end_once_each(rig, make_client):
    chance = random.Random(4)
    outcomes = Counter()

    async def sync(job):
        await asyncio.sleep(chance.random() / 50)
        if chance.random() < 0.2:
            raise ConnectionError("away")

    backoff = Backoff(type="fixed", delay_ms=5)
    rig.job(sync, retry=Retry(attempts=3, backoff=backoff))
    client = make_client()
    jobs = await client.add_many("sync", [{} for _ in range(120)])
    rig.start()
    for job in chance.sample(jobs, 80):
        try:
            outcomes[await job.cancel()] += 1
        except WrongState:
            outcomes["finished"] += 1

    for job in jobs:
        async with asyncio.timeout(10):
            while await rig.state(job.id) not in ("completed", "failed"):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
    endings = Counter(
        [fields["job"] for fields in (*rig.said("job_completed"), *rig.said("job_failed"))]
    )
    assert outcomes.total() == 80
    assert max(endings.values()) == 1
    assert await check_queue(rig.sender, rig.keys()) == []
