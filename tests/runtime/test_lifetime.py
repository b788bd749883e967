"""`expires_in` and `deadline`: jobs that come too late, or take too long in all."""

from __future__ import annotations

import asyncio
import threading

from toril.declarations.backoff import Backoff
from toril.declarations.job_type import Retry
from toril.errors import Delay


async def nothing(job):
    return "ran"


async def test_a_job_that_was_not_started_in_time_fails_without_running(rig):
    clock = rig.use_virtual_clock()
    rig.job(nothing, expires_in_ms=60_000, retry=Retry(attempts=5))
    job_id = await rig.add()
    clock.advance(60)

    rig.start()

    job = await rig.reaches(job_id, "failed")
    assert job.failed_reason == "job expired: it was not started within 1m"
    assert job.attempts_made == 1
    assert rig.hooks.of("toril_job_started") == []


async def test_a_job_that_is_started_in_time_runs(rig):
    clock = rig.use_virtual_clock()
    rig.job(nothing, expires_in_ms=60_000)
    job_id = await rig.add()
    clock.advance(59.9)

    rig.start()

    await rig.reaches(job_id, "completed")


async def test_a_delayed_job_expires_so_long_after_it_was_due(rig):
    clock = rig.use_virtual_clock()
    rig.job(nothing, expires_in_ms=60_000)
    in_time = await rig.add(delay_ms=600_000)
    clock.advance(659)
    rig.start()

    await rig.reaches(in_time, "completed")


async def test_a_job_that_was_started_once_does_not_expire_between_attempts(rig):
    clock = rig.use_virtual_clock()

    async def sync(job):
        if job.attempt == 1:
            raise ConnectionError("away")

    backoff = Backoff(type="fixed", delay_ms=120_000)
    rig.job(sync, expires_in_ms=60_000, retry=Retry(attempts=2, backoff=backoff))
    job_id = await rig.add()
    rig.start()

    await rig.reaches_attempt(job_id, 1)
    clock.advance(120)

    await rig.reaches(job_id, "completed")


async def test_a_run_is_stopped_at_the_deadline_and_not_retried(rig):
    clock = rig.use_virtual_clock()
    began = asyncio.Event()

    async def sync(job):
        began.set()
        await asyncio.Event().wait()

    rig.job(sync, deadline_ms=60_000, timeout_ms=90_000, retry=Retry(attempts=5))
    job_id = await rig.add()
    rig.start()
    await began.wait()

    clock.advance(60)

    job = await rig.reaches(job_id, "failed")
    assert job.failed_reason == "job did not end within its deadline of 1m"
    assert job.attempts_made == 1


async def test_a_timeout_before_the_deadline_is_retried(rig):
    clock = rig.use_virtual_clock()
    began = asyncio.Event()

    async def sync(job):
        if job.attempt == 1:
            began.set()
            await asyncio.Event().wait()

    rig.job(sync, deadline_ms=60_000, timeout_ms=10_000, retry=Retry(attempts=2))
    job_id = await rig.add()
    rig.start()
    await began.wait()

    clock.advance(10)

    assert (await rig.reaches(job_id, "completed")).attempts_made == 2


async def test_no_attempt_is_planned_beyond_the_deadline(rig):
    rig.use_virtual_clock()

    async def sync(job):
        raise ConnectionError("away")

    backoff = Backoff(type="fixed", delay_ms=60_000)
    rig.job(sync, deadline_ms=60_000, retry=Retry(attempts=5, backoff=backoff))
    job_id = await rig.add()
    rig.start()

    job = await rig.reaches(job_id, "failed")
    assert job.failed_reason == "away"
    assert "its deadline leaves no time for another attempt" in job.stacktrace[-1]


async def test_a_job_is_put_off_no_further_than_its_deadline(rig):
    clock = rig.use_virtual_clock()

    async def sync(job):
        raise Delay("1h")

    rig.job(sync, deadline_ms=60_000)
    job_id = await rig.add()
    rig.start()
    await rig.reaches(job_id, "delayed")

    clock.advance(60)

    job = await rig.reaches(job_id, "failed")
    assert job.failed_reason == "job did not end within its deadline of 1m"


async def test_a_job_that_waited_past_its_deadline_fails_without_running(rig):
    clock = rig.use_virtual_clock()
    rig.job(nothing, deadline_ms=60_000)
    job_id = await rig.add()
    clock.advance(61)

    rig.start()

    job = await rig.reaches(job_id, "failed")
    assert job.failed_reason == "job did not end within its deadline of 1m"
    assert rig.hooks.of("toril_job_started") == []


async def test_a_thread_is_told_at_the_deadline_and_fails_when_it_returns(rig):
    clock = rig.use_virtual_clock()
    began = threading.Event()

    def sync(job):
        began.set()
        job.cancelled.wait()
        return "too late"

    rig.job(sync, deadline_ms=60_000)
    job_id = await rig.add()
    rig.start()
    await asyncio.to_thread(began.wait)

    clock.advance(60)

    job = await rig.reaches(job_id, "failed")
    assert job.failed_reason == "job did not end within its deadline of 1m"
