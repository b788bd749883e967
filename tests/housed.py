"""A rig whose jobs run in processes of their own."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from toril.declarations.job_type import JobType
from toril.declarations.pipeline import PluginSettings
from toril.plugins.manager import PluginManager
from toril.runner.job_processes import JobProcesses
from toril.runner.order import WorkerOrder

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
        self.processes = JobProcesses(order, lambda message: None)
        return self.rig.start("orders", processes=self.processes, **given)


async def pid_of(rig: Any, job_id: str) -> int:
    """The process of a job that tells it as its progress."""
    for _ in range(1_000):
        if pid := (await rig.stored(job_id)).progress:
            return int(pid)
        await asyncio.sleep(0.01)
    raise AssertionError(rig.events)


async def is_gone(pid: int) -> bool:
    """Whether a process ends soon."""
    for _ in range(300):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        await asyncio.sleep(0.01)
    return False
