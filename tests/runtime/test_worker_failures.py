"""Tests of the worker: jobs that fail, are retried, postponed or limited."""

from __future__ import annotations

import asyncio
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest

from toril.declarations.backoff import Backoff
from toril.declarations.job_type import Retry
from toril.errors import Delay, RateLimited, Unrecoverable


async def test_a_failed_attempt_is_retried_after_its_backoff(rig):
    clock = rig.use_virtual_clock()
    starts: list[tuple[int, int]] = []

    async def sync(job):
        starts.append((job.attempt, clock.now_ms()))
        if job.attempt < 3:
            raise ConnectionError("exchange is away")
        return "done"

    rig.job(sync, retry=Retry(attempts=3, backoff=Backoff(type="exponential", delay_ms=1000)))
    began_ms = clock.now_ms()
    job_id = await rig.add()
    rig.start()

    await rig.reaches(job_id, "delayed")
    clock.advance(1)
    await rig.reaches_attempt(job_id, 2)
    clock.advance(2)

    job = await rig.reaches(job_id, "completed")
    assert starts == [(1, began_ms), (2, began_ms + 1000), (3, began_ms + 3000)]
    assert (job.attempts_made, job.attempts_started) == (3, 3)
    assert len(job.stacktrace) == 2
    retrying = rig.hooks.of("toril_job_retrying")
    assert [(told["attempt"], told["delay_ms"]) for told in retrying] == [(1, 1000), (2, 2000)]


async def test_a_retry_without_backoff_runs_at_once(rig):
    async def sync(job):
        if job.attempt < 3:
            raise ConnectionError("exchange is away")

    rig.job(sync, retry=Retry(attempts=3))
    job_id = await rig.add()
    rig.start()

    assert (await rig.reaches(job_id, "completed", within_s=1.0)).attempts_made == 3


async def test_when_the_attempts_are_used_up_the_job_fails_with_its_last_error(rig):
    async def sync(job):
        raise ConnectionError(f"exchange is away, {job.attempt} of {job.attempts}")

    rig.job(sync, retry=Retry(attempts=2))
    job_id = await rig.add()
    rig.start()

    job = await rig.reaches(job_id, "failed")
    assert job.failed_reason == "exchange is away, 2 of 2"
    assert [trace.splitlines()[-1] for trace in job.stacktrace] == [
        "ConnectionError: exchange is away, 1 of 2",
        "ConnectionError: exchange is away, 2 of 2",
    ]
    assert rig.hooks.of("toril_job_failed")[0]["error"] == "exchange is away, 2 of 2"
    assert rig.said("job_failed")[0]["attempt"] == 2


async def test_the_stack_trace_begins_in_the_processor(rig):
    async def sync(job):
        raise ValueError("bad symbol")

    rig.job(sync)
    job_id = await rig.add()
    rig.start()

    [trace] = (await rig.reaches(job_id, "failed")).stacktrace
    assert trace.splitlines()[1].strip().startswith(f'File "{__file__}"')


async def test_unrecoverable_fails_the_job_whatever_attempts_are_left(rig):
    async def sync(job):
        raise Unrecoverable("no such user")

    rig.job(sync, retry=Retry(attempts=5))
    job_id = await rig.add()
    rig.start()

    job = await rig.reaches(job_id, "failed")
    assert (job.failed_reason, job.attempts_made) == ("no such user", 1)


async def test_an_error_that_is_never_retried_fails_the_job(rig):
    async def sync(job):
        raise PermissionError("key revoked")

    rig.job(sync, retry=Retry(attempts=5, on=("OSError",), never_on=("PermissionError",)))
    job_id = await rig.add()
    rig.start()

    assert (await rig.reaches(job_id, "failed")).attempts_made == 1


@pytest.mark.parametrize("run_in", ["async", "thread"])
@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
async def test_what_would_end_a_process_only_fails_the_job(rig, error, run_in):
    def sync(job):
        raise error

    rig.job(sync, run_in=run_in)
    job_id = await rig.add()
    rig.start()

    job = await rig.reaches(job_id, "failed")
    assert job.failed_reason.startswith(type(error).__name__)


async def test_a_result_that_is_not_json_fails_the_job_with_the_reason(rig):
    rig.job(lambda job: {"price": float("nan")}, retry=Retry(attempts=3))
    job_id = await rig.add()
    rig.start()

    job = await rig.reaches(job_id, "failed")
    assert job.failed_reason.startswith("the result.price is nan")
    assert job.attempts_made == 1


async def test_a_deep_recursion_fails_the_job_with_a_trace_that_is_cut(rig):
    def dive(depth):
        return dive(depth + 1) + sys.getrecursionlimit()

    rig.job(lambda job: dive(0), run_in="async")
    job_id = await rig.add()
    rig.start()

    job = await rig.reaches(job_id, "failed")
    assert "recursion" in job.failed_reason


async def test_a_rate_limited_job_spends_no_attempt_and_holds_its_queue(rig, wait_until):
    clock = rig.use_virtual_clock()
    starts: list[tuple[str, int]] = []

    async def sync(job):
        starts.append((job.id, job.attempt))
        if len(starts) == 1:
            raise RateLimited(0.3)

    rig.queue("orders", concurrency=1)
    rig.job(sync)
    first, second = await rig.add_many([None, None])
    rig.start()
    await wait_until(lambda: rig.said("job_rate_limited"))
    assert await rig.redis.pttl(rig.keys().limiter) > 0

    await wait_until(lambda: gone(rig.redis, rig.keys().limiter))
    clock.advance(0.3)

    await rig.reaches(second, "completed")
    assert starts == [(first, 1), (first, 1), (second, 1)]


async def gone(redis, key):
    return not await redis.exists(key)


async def test_delay_runs_the_job_again_then_without_an_attempt_spent(rig):
    clock = rig.use_virtual_clock()
    attempts: list[int] = []

    async def sync(job):
        attempts.append(job.attempt)
        if len(attempts) == 1:
            now = datetime.fromtimestamp(clock.now_ms() / 1000, UTC)
            raise Delay(now + timedelta(minutes=1))

    rig.job(sync)
    job_id = await rig.add()
    rig.start()
    await rig.reaches(job_id, "delayed")
    clock.advance(60)

    job = await rig.reaches(job_id, "completed")
    assert attempts == [1, 1]
    assert (job.attempts_made, job.attempts_started) == (1, 2)


async def test_a_coroutine_is_cancelled_at_its_timeout(rig, wait_until):
    clock = rig.use_virtual_clock()
    cleaned_up = asyncio.Event()

    async def sync(job):
        try:
            await asyncio.Event().wait()
        finally:
            cleaned_up.set()

    rig.job(sync, timeout_ms=30_000)
    job_id = await rig.add()
    rig.start()
    await wait_until(lambda: rig.said("job_started"))
    clock.advance(30)

    job = await rig.reaches(job_id, "failed")
    assert job.failed_reason == "job timed out after 30s"
    assert cleaned_up.is_set()
    assert "asyncio.Event().wait()" in job.stacktrace[0]


async def test_a_timeout_is_retried_as_a_timeout_error(rig, wait_until):
    clock = rig.use_virtual_clock()

    async def sync(job):
        if job.attempt == 1:
            await asyncio.Event().wait()

    rig.job(sync, timeout_ms=1000, retry=Retry(attempts=2, on=("TimeoutError",)))
    job_id = await rig.add()
    rig.start()
    await wait_until(lambda: rig.said("job_started"))
    clock.advance(1)

    assert (await rig.reaches(job_id, "completed")).attempts_made == 2


async def test_a_timeout_error_of_the_processors_own_stays_its_own(rig):
    async def sync(job):
        raise TimeoutError("exchange did not answer")

    rig.job(sync, timeout_ms=60_000)
    job_id = await rig.add()
    rig.start()

    assert (await rig.reaches(job_id, "failed")).failed_reason == "exchange did not answer"


async def test_a_thread_keeps_its_slot_past_its_timeout_and_then_fails(rig, wait_until):
    clock = rig.use_virtual_clock()
    release, told = threading.Event(), []

    def sync(job):
        if job.id != late:
            return
        job.cancelled.wait(5)
        told.append(job.cancelled.is_set())
        release.wait(5)

    rig.queue("orders", concurrency=1)
    rig.job(sync, timeout_ms=1000, retry=Retry(attempts=1))
    late, next_one = await rig.add_many([None, None])
    worker = rig.start()
    await wait_until(lambda: rig.said("job_started"))
    clock.advance(1)

    await wait_until(lambda: told)
    assert told == [True]
    assert rig.said("job_overdue")[0]["job"] == late
    assert [running_id for _, running_id, _ in worker.running] == [late]
    assert await rig.state(next_one) == "waiting"
    release.set()
    assert (await rig.reaches(late, "failed")).failed_reason == "job timed out after 1s"
    await rig.reaches(next_one, "completed")


async def test_a_deferred_failure_fails_the_job_without_running_it(rig):
    ran: list[str] = []
    rig.job(lambda job: ran.append(job.id), retry=Retry(attempts=5))
    job_id = await rig.add()
    await rig.redis.hset(rig.keys().job(job_id), "defa", "child bull:q:c1 failed")
    rig.start()

    job = await rig.reaches(job_id, "failed")
    assert (job.failed_reason, ran) == ("child bull:q:c1 failed", [])


async def test_data_that_a_peer_garbled_fails_the_job_with_the_reason(rig):
    ran: list[str] = []
    rig.job(lambda job: ran.append(job.id), retry=Retry(attempts=5))
    job_id = await rig.add()
    await rig.redis.hset(rig.keys().job(job_id), "data", '{"price": NaN}')
    rig.start()

    job = await rig.reaches(job_id, "failed")
    assert job.failed_reason.startswith("the job's data cannot be read: data is not JSON")
    assert ran == []


async def test_a_job_type_that_is_not_declared_fails_with_what_to_do(rig):
    rig.job(lambda job: None, "sync-orders")
    job_id = await rig.add(name="sync-order")
    rig.start()

    job = await rig.reaches(job_id, "failed")
    assert job.failed_reason == (
        "no job type 'sync-order'; did you mean 'sync-orders'? (this job was added to queue "
        "'orders')"
    )


async def test_a_job_on_another_queue_than_declared_fails_with_what_to_do(rig):
    rig.job(lambda job: None, "mail", queue="mails")
    job_id = await rig.add(name="mail", queue="orders")
    rig.start()

    job = await rig.reaches(job_id, "failed")
    assert job.failed_reason == (
        "job type 'mail' is declared for queue 'mails', but this job was added to queue 'orders'; "
        "add it there"
    )


async def test_a_processor_that_no_plugin_supplies_fails_the_job(rig):
    rig.job(lambda job: None)
    job_id = await rig.add()
    rig.start(processors={})

    job = await rig.reaches(job_id, "failed")
    assert job.failed_reason == (
        "job type 'sync' of queue 'orders' cannot run: no processor 'sync'; none is declared"
    )


async def test_a_parent_with_failed_children_is_failed_instead_of_completed(rig):
    rig.job(lambda job: None)
    job_id = await rig.add()
    child = rig.keys("mails").job("c1")
    await rig.redis.hset(child, "failedReason", "no such account")
    await rig.redis.zadd(rig.keys().unsuccessful(job_id), {child: 1})
    rig.start()

    job = await rig.reaches(job_id, "failed")
    assert job.failed_reason == f"child {child} failed: no such account"


async def test_an_error_whose_own_class_is_broken_still_fails_the_job(rig):
    class Broken(Exception):
        __module__ = 5

        def __str__(self):
            raise RuntimeError("no words")

    async def sync(job):
        raise Broken

    rig.job(sync, retry=Retry(attempts=2, on=("a.Broken",)))
    job_id = await rig.add()
    rig.start()

    assert "Broken" in (await rig.reaches(job_id, "failed")).failed_reason


async def test_big_results_travel_in_several_calls(rig):
    rig.queue("orders", concurrency=4)
    rig.job(lambda job: "x" * 3_000_000, run_in="async")
    ids = await rig.add_many([None] * 8)
    rig.start()

    for job_id in ids:
        assert len((await rig.reaches(job_id, "completed")).returnvalue) == 3_000_000


async def test_a_result_that_breaks_as_it_is_read_fails_the_job_and_frees_its_slot(rig):
    class Broken(dict):
        def items(self):
            raise RuntimeError("the cursor is closed")

    rig.queue("orders", concurrency=1)
    rig.job(lambda job: Broken(a=1))
    ids = await rig.add_many([None] * 2)
    rig.start()

    for job_id in ids:
        assert (await rig.reaches(job_id, "failed")).failed_reason == "the cursor is closed"


async def test_a_retry_waits_as_long_as_the_error_asks_for(rig):
    clock = rig.use_virtual_clock()

    class Busy(Exception):
        retry_after = "30"

    async def sync(job):
        if job.attempt == 1:
            raise Busy

    backoff = Backoff(type="fixed", delay_ms=1000)
    rig.job(sync, retry=Retry(attempts=2, backoff=backoff))
    job_id = await rig.add()
    rig.start()

    delayed = await rig.reaches(job_id, "delayed")
    clock.advance(30)

    await rig.reaches(job_id, "completed")
    assert delayed.delay_ms == 30_000
