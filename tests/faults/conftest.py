"""Fixtures of the fault tests: pipelines whose jobs misbehave, and real `toril run` processes."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from toril.declarations.units import parse_duration_ms
from toril.runtime import server_process
from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.jobs import read_job, read_state
from toril.runtime.calls.queues import Counts, read_counts
from toril.runtime.connection import connect, connect_sync
from toril.runtime.embedded import EmbeddedHandle, open_embedded
from toril.runtime.file_lock import FileLock
from toril.runtime.fsck import check_queue
from toril.runtime.job import NewJob, StoredJob
from toril.runtime.keys import QueueKeys
from toril.runtime.sender import AsyncSender
from toril.runtime.sync_sender import SyncSender

KEYS = QueueKeys("bull", "orders")

TORIL_YAML = """
version: 1
project: faults
plugins: {paths: [processors.py]}
queues:
  orders:
    concurrency: %(concurrency)d
    lock: %(lock)s
    stalled: {every: 500ms, limit: %(limit)d}
jobs:
  act: {queue: orders, use: faults.act}
  act-in-thread: {queue: orders, use: faults.act_in_thread}
  act-in-steps: {queue: orders, use: faults.act_in_steps}
  act-in-process: {queue: orders, use: faults.act_in_thread, run_in: process}
"""

#: What the data says is what the job does; the history tells who did what.
PROCESSORS = """
import asyncio, os, re, signal, subprocess, time
from pathlib import Path
from toril import hookimpl, processor

HISTORY = Path(__file__).parent / "history"


def note(word, job):
    line = f"{word} {job.id} {os.getpid()}\\n".encode()
    with open(HISTORY, "ab", buffering=0) as history:
        history.write(line)


def hold_the_gil(seconds):
    trap = "a" * 17 + "b"
    began = time.monotonic()
    re.findall("(a+)+$", trap)
    re.findall("(a+)+$", trap * int(seconds / (time.monotonic() - began) + 1))


@processor("faults.act")
async def act(job):
    note("start", job)
    what, value = next(iter(job.data.items()))
    if what == "sleep":
        await asyncio.sleep(value)
    elif what == "block":
        time.sleep(value)
    elif what == "regex":
        hold_the_gil(value)
    elif what == "signal":
        os.kill(os.getpid(), getattr(signal, value))
        await asyncio.sleep(60)
    elif what == "exit":
        os._exit(value)
    note("end", job)
    return job.id


@processor("faults.act_in_thread")
def act_in_thread(job):
    if "leave" in job.data:
        child = subprocess.Popen(["sleep", str(job.data["leave"])])
        (HISTORY.parent / f"left-by-{os.getpid()}").write_text(str(child.pid))
    note("start", job)
    time.sleep(job.data["sleep"])
    note("end", job)
    return job.id


@processor("faults.act_in_steps")
async def act_in_steps(job):
    def run(step):
        is_first = f"step-{step} {job.id} " not in (HISTORY.read_text() if HISTORY.exists() else "")
        note(f"step-{step}", job)
        if is_first and step in job.data["kill_in"]:
            if job.data.get("runner"):
                os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
        return step

    return [await job.step(f"step-{step}", lambda step=step: run(step)) for step in range(4)]


@hookimpl
def toril_processors():
    return [act, act_in_thread, act_in_steps]


@hookimpl
def toril_job_stalled(queue, job_id):
    with open(HISTORY, "ab", buffering=0) as history:
        history.write(f"stalled {job_id}\\n".encode())
"""


@pytest.fixture
def block_until() -> Callable[..., None]:
    """`block_until(condition, within="2s")`: `wait_until` for tests without a loop."""
    return _block_until


def _block_until(condition: Callable[[], Any], within: str = "2s") -> None:
    deadline = time.monotonic() + parse_duration_ms(within) / 1000
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"{condition} did not come true within {within}"
        pause.wait(0.01)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and not yet buried does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@dataclass
class Run:
    """One `toril run`, with what it says as JSON lines."""

    process: subprocess.Popen[str]
    lines: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def events(self, name: str) -> list[dict[str, Any]]:
        return [line for line in tuple(self.lines) if line["event"] == name]

    def wait_for(self, name: str, number: int = 1, within: str = "10s") -> dict[str, Any]:
        _block_until(lambda: len(self.events(name)) >= number, within)
        return self.events(name)[number - 1]

    def worker_pids(self) -> list[int]:
        """The worker processes that live, in order of their start."""
        return [line["pid"] for line in self.events("worker_started") if is_alive(line["pid"])]

    def zombies(self) -> list[int]:
        """Its children that are dead and not buried."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(child) for child in children if not is_alive(int(child))]

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self, within_s: float = 30) -> int:
        """Waits for its end and gives the exit code."""
        code = self.process.wait(within_s)
        self._reader.join(5)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def kill(self) -> None:
        """As the kernel would: the supervisor alone."""
        self.process.kill()
        self.end()


class ExternalServer:
    """A server that is not Toril's to start, with the face of an embedded one's handle."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.socket = folder / "s"
        self.url = f"unix://{self.socket}"
        self.open()

    @property
    def pid(self) -> int:
        pid = server_process.read_pid(self.folder)
        assert pid is not None
        return pid

    def open(self) -> None:
        with FileLock(self.folder / "alive") as alive:
            alive.try_exclusive()
            server_process.launch(self.folder, self.socket, "always", alive)
        _block_until(lambda: server_process.probe(self.socket, self.folder) == "up")

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        with FileLock(self.folder / "alive") as alive:
            _block_until(alive.try_exclusive)

    def close(self) -> None:
        server_process.shut_down(self.socket)


class Pipeline:
    """A configuration directory whose server the test keeps."""

    def __init__(self, root: Path, handle: EmbeddedHandle | ExternalServer) -> None:
        self.root = root
        self.handle = handle
        self.client = connect_sync(handle.url)
        self.sender = SyncSender(self.client)
        self.runs: list[Run] = []
        self.numbers = itertools.count()

    def add(self, *what: dict[str, Any], job: str = "act") -> list[str]:
        """Adds jobs that do what their data says; ids are j0, j1, ..."""
        now_ms = time.time_ns() // 1_000_000
        jobs = [
            NewJob(
                queue="orders",
                id=f"j{next(self.numbers)}",
                name=job,
                data=json.dumps(data).encode(),
                timestamp_ms=now_ms,
            )
            for data in what
        ]
        self.sender.send(add_jobs("bull", jobs, now_ms=now_ms))
        return [job.id for job in jobs]

    def run(self, *options: str) -> Run:
        command = Path(sys.executable).parent / "toril"
        process = subprocess.Popen(
            [str(command), "run", str(self.root), "--log", "json", *options],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.runs.append(Run(process))
        return self.runs[-1]

    def counts(self) -> Counts:
        return self.sender.send(read_counts(KEYS))

    def read(self, job_id: str) -> StoredJob:
        job = self.sender.send(read_job(KEYS, job_id))
        assert job is not None
        return job

    def state(self, job_id: str) -> str:
        return self.sender.send(read_state(KEYS, job_id)).state

    def outcomes(self) -> Counter[str]:
        """How often each job was told to have completed or failed."""
        events = self.client.xrange(KEYS.events)
        told = [fields for _, fields in events if fields[b"event"] in (b"completed", b"failed")]
        return Counter(fields[b"jobId"].decode() for fields in told)

    def fsck(self) -> list[Any]:
        """What is wrong between the queue's keys."""
        return asyncio.run(_check(self.handle.url))

    def left(self) -> list[int]:
        """The processes that jobs have started and that still live."""
        pids = [int(path.read_text() or 0) for path in self.root.glob("left-by-*")]
        return [pid for pid in pids if is_alive(pid)]

    def history(self, word: str) -> Counter[str]:
        """How often each job started or ended, as the jobs themselves noted."""
        try:
            lines = (self.root / "history").read_text().splitlines()
        except FileNotFoundError:
            return Counter()
        return Counter(line.split()[1] for line in lines if line.startswith(word))


async def _check(url: str) -> list[Any]:
    redis = connect(url)
    try:
        return list(await check_queue(AsyncSender(redis), KEYS))
    finally:
        await redis.aclose()


@pytest.fixture
def make_pipeline(tmp_path: Path) -> Iterator[Callable[..., Pipeline]]:
    """Makes a pipeline of misbehaving jobs; locks are short, so that a stall costs seconds."""
    made: list[Pipeline] = []

    def make(
        *,
        concurrency: int = 10,
        lock: str = "2s",
        limit: int = 3,
        external: bool = False,
        files: Mapping[str, str] | None = None,
    ) -> Pipeline:
        root = tmp_path / f"pipeline-{len(made)}"
        root.mkdir()
        values = {"concurrency": concurrency, "lock": lock, "limit": limit}
        (root / "toril.yaml").write_text(textwrap.dedent(TORIL_YAML) % values)
        (root / "processors.py").write_text(PROCESSORS)
        for name, text in (files or {}).items():
            (root / name).write_text(text)
        handle: EmbeddedHandle | ExternalServer
        if external:
            handle = ExternalServer(tmp_path / f"server-{len(made)}")
            settings = f"redis: {{url: '{handle.url}'}}\n"
        else:
            handle = open_embedded(root, fsync="always")
            settings = "redis: {fsync: always}\n"
        with (root / "toril.yaml").open("a") as file:
            file.write(settings)
        made.append(Pipeline(root, handle))
        return made[-1]

    yield make
    for pipeline in made:
        for run in pipeline.runs:
            run.kill()
        pipeline.client.close()
        pipeline.handle.close()
