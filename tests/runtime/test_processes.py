"""Jobs in processes of their own: what they may do there, and what goes wrong inside."""

from __future__ import annotations

import os

import pytest
from tests.housed import is_gone, pid_of

from toril.declarations.job_type import Retry
from toril.runtime.calls.jobs import get_logs
from toril.runtime.states import JobState


async def test_a_job_runs_in_a_process_of_its_own_with_all_that_it_needs(housed, rig):
    housed.job("facts", params={"word": "hello"}, retry=Retry(attempts=3))
    housed.start()

    job_id = await rig.add({"n": 2**53 - 1}, "facts")

    done = (await rig.reaches(job_id, "completed", within_s=20)).returnvalue
    assert done["pid"] != os.getpid()
    assert done["seen"] == [job_id, "facts", "orders", {"n": 2**53 - 1}, 1, 3, 1]
    assert done["word"] == "hello"


async def test_a_process_runs_many_jobs_and_is_recycled(housed, rig):
    housed.job("facts", recycle_after=2)
    rig.queue("orders", concurrency=1)
    housed.start()

    ids = await rig.add_many([{}] * 5, "facts")

    pids = [
        (await rig.reaches(job_id, "completed", within_s=20)).returnvalue["pid"] for job_id in ids
    ]
    assert [pids[0] == pids[1], pids[1] == pids[2], pids[2] == pids[3]] == [True, False, True]
    assert len(set(pids)) == 3
    assert await is_gone(pids[0])


@pytest.mark.parametrize("fields", [{"recycle_after": 1}, {"max_memory": 256 * 2**20}])
async def test_what_jobs_of_another_type_left_costs_a_job_nothing(housed, rig, fields):
    housed.job("leaks")
    housed.job("facts", **fields)
    housed.start()
    other = await rig.add({}, "leaks")
    pid = (await rig.reaches(other, "completed", within_s=20)).returnvalue

    job_id = await rig.add({}, "facts")

    assert (await rig.reaches(job_id, "completed", within_s=20)).returnvalue["pid"] != pid


async def test_progress_logs_steps_data_and_other_jobs_work_from_inside(housed, rig):
    for name in ("tells", "facts"):
        housed.job(name)
    housed.start()

    job_id = await rig.add({}, "tells")

    done = await rig.reaches(job_id, "completed", within_s=20)
    assert done.returnvalue[:2] == [{"n": 1}, {"told": True}]
    assert (done.progress, done.data) == (40, {"told": True})
    assert await rig.sender.send(get_logs(rig.keys(), job_id)) == ["page 3 of 7"]
    await rig.reaches(done.returnvalue[2], "completed", within_s=20)
    assert rig.hooks.of("toril_job_progress")[0]["progress"] == 40
    assert rig.hooks.of("toril_job_completed")[0]["result"][0] == {"n": 1}


async def test_coroutines_run_in_processes_too(housed, rig):
    housed.job("coroutine")
    housed.start()

    job_id = await rig.add({}, "coroutine")

    done = await rig.reaches(job_id, "completed", within_s=20)
    assert (done.returnvalue, done.progress) == (1, {"page": 1})


async def test_a_coroutine_that_exits_costs_its_attempt(housed, rig):
    housed.job("exits")
    housed.start()

    job_id = await rig.add({}, "exits")

    assert (await rig.reaches(job_id, "failed", within_s=20)).failed_reason == "SystemExit: 3"


async def test_a_job_in_a_process_waits_for_its_children(housed, rig):
    for name in ("parent", "facts"):
        housed.job(name)
    housed.start()

    job_id = await rig.add({}, "parent")

    assert (await rig.reaches(job_id, "completed", within_s=20)).returnvalue == ["child-1"]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("away", "not now"),
        ("exit", "SystemExit: 3"),
        ("crash", "the job's process died: exit code 7"),
        ("signal", "the job's process died: signal SIGSEGV"),
        ("fork", "the job's process died: signal SIGSEGV"),
        ("progress", "progress is a object, which JSON cannot hold"),
    ],
)
async def test_what_goes_wrong_inside_costs_one_attempt(housed, rig, kind, reason):
    housed.job("fails", retry=Retry(attempts=2))
    housed.start()

    job_id = await rig.add({"kind": kind}, "fails")

    done = await rig.reaches(job_id, "completed", within_s=20)
    assert done.failed_reason.startswith(reason)
    assert (done.returnvalue, done.attempts_made) == ("again", 2)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("unrecoverable", "never"), ("unstorable", "the result is a object, which JSON cannot hold")],
)
async def test_some_errors_are_final_there_too(housed, rig, kind, reason):
    housed.job("fails", retry=Retry(attempts=2))
    housed.start()

    job_id = await rig.add({"kind": kind}, "fails")

    failed = await rig.reaches(job_id, "failed", within_s=20)
    assert failed.failed_reason.startswith(reason)
    assert failed.attempts_made == 1


async def test_errors_are_told_apart_by_their_classes(housed, rig):
    housed.job("fails", retry=Retry(attempts=2, never_on=("ConnectionError",)))
    housed.start()

    job_id = await rig.add({"kind": "away"}, "fails")

    failed = await rig.reaches(job_id, "failed", within_s=20)
    assert "code.py" in failed.stacktrace[0]
    assert "Away: not now" in failed.stacktrace[0]


async def test_a_crash_costs_the_other_jobs_of_the_worker_nothing(housed, rig):
    for name in ("fails", "sleeps"):
        housed.job(name)
    housed.start()
    other = await rig.add({}, "sleeps")
    pid = await pid_of(rig, other)

    job_id = await rig.add({"kind": "signal"}, "fails")

    await rig.reaches(job_id, "failed", within_s=20)
    os.kill(pid, 0)
    assert await rig.state(other) == JobState.ACTIVE
