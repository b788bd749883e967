"""Jobs in processes of their own: what they may do, how they are killed, what a crash costs."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from toril.declarations.job_type import JobType, Retry
from toril.declarations.pipeline import PluginSettings
from toril.plugins.manager import PluginManager
from toril.runner.job_processes import JobProcesses
from toril.runner.order import WorkerOrder
from toril.runtime.calls.jobs import get_logs
from toril.runtime.states import JobState

CODE = """
import os, signal, sys, time
from dataclasses import dataclass

from toril import Delay, RateLimited, Unrecoverable, WaitForChildren, hookimpl, processor


@dataclass
class Given:
    word: str = "none"


class Away(ConnectionError):
    retry_after = 0.001


@processor("p.facts", params=Given)
def facts(job, params):
    seen = [job.id, job.name, job.queue, job.data, job.attempt, job.attempts, job.fence]
    return {"pid": os.getpid(), "seen": seen, "word": params.word}


@processor("p.tells")
def tells(job):
    job.progress(40)
    job.log("page 3 of 7")
    kept = job.step("charge", lambda: {"n": 1})
    job.update_data({"told": True})
    other = job.client.add("facts", {"by": job.id})
    return [kept, job.data, other.id]


@processor("p.coroutine")
async def coroutine(job):
    await job.progress({"page": 1})
    return await job.step("one", lambda: 1)


@processor("p.parent")
def parent(job):
    if not job.results:
        job.add_child("facts", {"of": job.id}, id="child-1")
        raise WaitForChildren
    return sorted(job.results)


@processor("p.fails")
def fails(job):
    kind = job.data["kind"]
    if job.attempt > 1:
        return "again"
    if kind == "away":
        raise Away("not now")
    if kind == "unrecoverable":
        raise Unrecoverable("never")
    if kind == "unstorable":
        return object()
    if kind == "exit":
        sys.exit(3)
    if kind == "progress":
        job.progress(object())
    if kind == "crash":
        os._exit(7)
    if kind == "fork" and os.fork() == 0:
        time.sleep(60)
    if kind in ("signal", "fork"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if kind == "rate":
        raise RateLimited(0.01)


@processor("p.exits")
async def exits(job):
    sys.exit(3)


@processor("p.leaks")
def leaks(job):
    global leaked
    leaked = bytearray(os.urandom(1)) * 400_000_000
    return os.getpid()


@processor("p.sleeps")
def sleeps(job):
    job.progress(os.getpid())
    while True:
        time.sleep(1)


@processor("p.grows")
def grows(job):
    held = []
    while True:
        held.append(bytearray(os.urandom(1)) * 8_000_000)
        time.sleep(0.001)


@hookimpl
def toril_processors():
    return [facts, tells, coroutine, parent, fails, exits, leaks, sleeps, grows]
"""


class Housed:
    """A rig whose jobs run in processes, on the processors of a local plugin."""

    def __init__(self, rig: Any, root: Path) -> None:
        (root / "code.py").write_text(CODE)
        self.rig = rig
        plugins = PluginSettings(paths=(root / "code.py",))
        rig.pipeline = replace(rig.pipeline, root=root, plugins=plugins)
        rig.processors = dict(PluginManager.load(plugins).processors)

    def job(self, name: str, **fields: Any) -> None:
        """Declares a job type that runs in a process."""
        declared = JobType(name=name, queue="orders", use=f"p.{name}", run_in="process", **fields)
        jobs = {**self.rig.pipeline.jobs, name: declared}
        self.rig.pipeline = replace(self.rig.pipeline, jobs=jobs)

    def start(self, **given: Any) -> Any:
        """Starts a worker."""
        order = WorkerOrder(
            pipeline=self.rig.pipeline,
            redis_url=self.rig.url,
            token="t",
            name="w",
            clock_offset_ms=0,
            grace_s=1,
        )
        self.processes = JobProcesses(order)
        return self.rig.start("orders", processes=self.processes, **given)


@pytest.fixture
async def housed(rig, tmp_path):
    made = Housed(rig, tmp_path)
    yield made
    await rig.close()
    await made.processes.close()


async def pid_of(rig, job_id: str) -> int:
    """The process of a job that tells it as its progress."""
    for _ in range(1_000):
        if pid := (await rig.stored(job_id)).progress:
            return int(pid)
        await asyncio.sleep(0.01)
    raise AssertionError(rig.events)


async def is_gone(pid: int) -> bool:
    for _ in range(300):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        await asyncio.sleep(0.01)
    return False


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
