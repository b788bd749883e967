"""Processes of jobs that are killed, that cannot start, and whose worker ends."""

from __future__ import annotations

import os
import signal

import pytest
from tests.housed import is_gone, pid_of

from toril.runtime.states import JobState


async def test_a_timeout_kills_the_process(housed, rig):
    clock = rig.use_virtual_clock()
    housed.job("sleeps", timeout_ms=30_000)
    housed.start()
    job_id = await rig.add({}, "sleeps")
    pid = await pid_of(rig, job_id)

    clock.advance(31)

    failed = await rig.reaches(job_id, "failed", within_s=10)
    assert failed.failed_reason == "job timed out after 30s"
    assert await is_gone(pid)


async def test_a_cancelled_job_is_killed(housed, rig, make_client):
    housed.job("sleeps")
    housed.start()
    job_id = await rig.add({}, "sleeps")
    pid = await pid_of(rig, job_id)

    await make_client().job("orders", job_id).cancel()

    failed = await rig.reaches(job_id, "failed", within_s=10)
    assert failed.failed_reason == "cancelled"
    assert await is_gone(pid)


async def test_a_job_over_its_memory_is_killed(housed, rig):
    housed.job("grows", max_memory=256 * 2**20)
    housed.start()

    job_id = await rig.add({}, "grows")

    failed = await rig.reaches(job_id, "failed", within_s=20)
    assert failed.failed_reason.endswith("mb of memory, more than its max_memory of 256mb")
    assert "MemoryLimitExceeded" in failed.stacktrace[0]


async def test_a_killed_process_is_told_with_its_signal(housed, rig):
    housed.job("sleeps")
    housed.start()
    job_id = await rig.add({}, "sleeps")

    os.kill(await pid_of(rig, job_id), signal.SIGKILL)

    failed = await rig.reaches(job_id, "failed", within_s=10)
    assert failed.failed_reason == "the job's process died: signal SIGKILL"


async def test_a_worker_that_ends_kills_what_does_not_and_hands_its_job_back(housed, rig):
    housed.job("sleeps")
    worker = housed.start()
    job_id = await rig.add({}, "sleeps")
    pid = await pid_of(rig, job_id)

    await worker.stop(0.01)

    assert await rig.state(job_id) == JobState.WAITING
    assert await is_gone(pid)


async def test_a_deadline_runs_while_a_process_starts(housed, rig):
    clock = rig.use_virtual_clock()
    housed.job("sleeps", deadline_ms=30_000)
    housed.start()
    job_id = await rig.add({}, "sleeps")
    await rig.reaches(job_id, "active")
    clock.advance(20)
    pid = await pid_of(rig, job_id)

    clock.advance(11)

    failed = await rig.reaches(job_id, "failed", within_s=10)
    assert failed.failed_reason == "job did not end within its deadline of 30s"
    assert await is_gone(pid)


async def test_a_job_whose_lock_is_lost_is_killed(housed, rig):
    rig.queue("orders", lock_ms=400)
    housed.job("sleeps")
    housed.start(renews_locks=True)
    job_id = await rig.add({}, "sleeps")
    pid = await pid_of(rig, job_id)

    await rig.redis.set(rig.keys().lock(job_id), "another")

    assert await is_gone(pid)
    assert await rig.state(job_id) == JobState.ACTIVE


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (
            "import nowhere",
            "the job's process cannot run it: plugin 'code' failed to load: ModuleNotFoundError: "
            "No module named 'nowhere' (code.py:1)",
        ),
        ("", "the job's process cannot run it: there is no processor 'p.facts' now"),
        ("import os; os._exit(9)", "the job's process died: exit code 9"),
    ],
)
async def test_a_process_that_cannot_run_its_job_says_why(housed, rig, tmp_path, code, reason):
    housed.job("facts")
    housed.start()
    (tmp_path / "code.py").write_text(code)

    job_id = await rig.add({}, "facts")

    failed = await rig.reaches(job_id, "failed", within_s=20)
    assert failed.failed_reason == reason
    assert "ProcessCrashed" in failed.stacktrace[0]
