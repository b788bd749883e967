"""`toril run` as a user starts it: idle, problems, no Redis, a terminal, a closed pipe."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from toril.runtime.embedded import open_embedded

TORIL = str(Path(sys.executable).parent / "toril")

TORIL_YAML = """
version: 1
project: acceptance
plugins: {paths: [processors.py]}
queues: {greetings: {}}
jobs: {greet: {queue: greetings, use: hello.greet}}
"""

PROCESSORS = """
from pathlib import Path
from toril import hookimpl, processor

@processor("hello.greet")
async def greet(job):
    print("greets", job.data["name"])
    with (Path(__file__).parent / "greeted").open("a") as file:
        file.write(job.data["name"] + "\\n")

@hookimpl
def toril_processors():
    return [greet]
"""


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "pipelines"
    folder.mkdir()
    (folder / "toril.yaml").write_text(TORIL_YAML)
    (folder / "processors.py").write_text(PROCESSORS)
    yield folder
    if (folder / ".toril").exists():
        open_embedded(folder).close()


def add_schedule(root: Path, when: str) -> None:
    (root / "schedules.yaml").write_text(
        f"schedules: {{hello: {{{when}, job: greet, data: {{name: Ada}}}}}}"
    )


def run(root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [TORIL, "run", str(root), *options], capture_output=True, text=True, timeout=30, check=False
    )


def greeted(root: Path) -> list[str]:
    file = root / "greeted"
    return file.read_text().split() if file.exists() else []


def test_the_first_tick_of_an_interval_runs_and_the_next_ones_do_not_count(root: Path) -> None:
    add_schedule(root, "every: 1h")

    done = run(root, "--until-idle")

    assert (done.returncode, done.stderr) == (0, "")
    assert greeted(root) == ["Ada"]
    assert done.stdout.splitlines()[-1].endswith("stopped")


def test_a_second_run_finds_nothing_due_and_ends_at_once(root: Path) -> None:
    add_schedule(root, "every: 1h")
    run(root, "--until-idle")

    done = run(root, "--until-idle")

    assert done.returncode == 0
    assert greeted(root) == ["Ada"]


def test_a_tick_in_the_future_does_not_count(root: Path) -> None:
    add_schedule(root, "cron: '0 0 1 1 *'")

    assert run(root, "--until-idle").returncode == 0
    assert greeted(root) == []


def test_it_says_once_what_it_waits_for(root: Path) -> None:
    add = [TORIL, "add", "-C", str(root), "greet", "name=Ada", "--delay", "1h"]
    subprocess.run(add, check=True, timeout=30, capture_output=True)
    command = [TORIL, "run", str(root), "--until-idle", "--log", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = []
        for line in map(json.loads, process.stdout):
            lines.append(line)
            if line["event"] == "pipeline_waits":
                break
        # Whenever a job has ended it looks again, and finds the same wait.
        for _ in range(3):
            at_once = [TORIL, "add", "-C", str(root), "greet", "name=Bob", "--wait"]
            subprocess.run(at_once, check=True, timeout=30, capture_output=True)
        process.send_signal(signal.SIGINT)
        lines += map(json.loads, process.stdout)

    assert process.returncode == 0
    [waits] = [line for line in lines if line["event"] == "pipeline_waits"]
    assert waits["message"] == (
        "nothing else is left to do, so it waits for 1 delayed job(s) of queue 'greetings',"
        f" the first due at {waits['due']}"
    )


def test_it_leaves_no_process_behind(root: Path) -> None:
    done = run(root, "--until-idle", "--log", "json")

    [worker] = [
        line["pid"]
        for line in map(json.loads, done.stdout.splitlines())
        if line["event"] == "worker_started"
    ] or [None]
    assert worker is None or not Path(f"/proc/{worker}").exists()
    assert not (root / ".toril/server/valkey.sock").exists()
    assert list((root / ".toril/runners").iterdir()) == []


def test_what_jobs_print_is_in_the_log(root: Path) -> None:
    add_schedule(root, "every: 1h")

    done = run(root, "--until-idle", "--log", "json")

    said = [line for line in map(json.loads, done.stdout.splitlines()) if "line" in line]
    assert [line["line"] for line in said] == ["greets Ada"]


def test_problems_are_printed_and_nothing_runs(root: Path) -> None:
    (root / "jobs.yaml").write_text("jobs: {other: {queue: nowhere, use: hello.greet}}\n")

    done = run(root)

    assert done.returncode == 1
    assert "jobs.yaml:1" in done.stderr
    assert done.stderr.splitlines()[-1] == "error: the configuration has 1 problem"
    assert done.stdout == ""


def test_no_redis_is_one_clear_line_and_exit_3(root: Path) -> None:
    (root / "toril.yaml").write_text(TORIL_YAML + "redis: {url: 'redis://localhost:1'}\n")

    done = run(root)

    assert done.returncode == 3
    [line] = done.stderr.splitlines()
    assert line.startswith("error: Redis at redis://localhost:1 does not answer")


def test_only_is_refused(root: Path) -> None:
    done = run(root, "--only", "worker")

    assert done.returncode == 2
    assert "'--only' is not available in this version of Toril" in done.stderr


def test_a_worker_that_can_never_start_ends_the_run(root: Path) -> None:
    add_schedule(root, "every: 1h")
    (root / "processors.py").write_text(
        "import os, sys\nif 'toril.runner.worker_process' in sys.orig_argv: os._exit(9)\n"
        + PROCESSORS
    )

    done = run(root, "--until-idle")

    assert done.returncode == 1
    assert "no worker process became ready" in done.stdout


def test_a_closed_pipe_ends_it_with_jobs_finished(root: Path) -> None:
    add_schedule(root, "every: 100ms")
    process = subprocess.Popen([TORIL, "run", str(root)], stdout=subprocess.PIPE)
    assert process.stdout is not None

    process.stdout.readline()
    process.stdout.close()

    assert process.wait(20) == 0


def test_on_a_terminal_it_draws_a_table(root: Path) -> None:
    add_schedule(root, "every: 1h")
    ours, theirs = pty.openpty()
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    process = subprocess.Popen([TORIL, "run", str(root)], stdout=theirs, env=environ)
    os.close(theirs)
    seen = _read_until(ours, b"completed in")
    process.send_signal(signal.SIGINT)
    seen += _read_until(ours, b"")

    assert process.wait(20) == 0
    os.close(ours)
    text = seen.decode()
    assert "queue" in text
    assert "greetings" in text
    assert "stopped" in text


def _read_until(terminal: int, wanted: bytes) -> bytes:
    """Reads what is drawn until a text comes, or until the other side closes if it is empty."""
    seen = b""
    deadline = time.monotonic() + 30
    while not wanted or wanted not in seen:
        assert time.monotonic() < deadline, seen.decode()
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            seen += os.read(terminal, 65_536)
        except OSError:
            assert not wanted, seen.decode()
            break
    return seen


def test_jobs_add_jobs_from_the_loop_and_from_threads(root: Path) -> None:
    add_schedule(root, "every: 1h")
    (root / "jobs.yaml").write_text(
        "jobs:\n"
        "  chain: {queue: greetings, use: hello.chain}\n"
        "  chain-in-thread: {queue: greetings, use: hello.chain_in_thread}\n"
    )
    (root / "schedules.yaml").write_text("schedules: {hello: {every: 1h, job: chain}}")
    (root / "processors.py").write_text(
        PROCESSORS.replace("return [greet]", "return [greet, chain, chain_in_thread]")
        + """
@processor("hello.chain")
async def chain(job):
    await job.client.add("chain-in-thread", {})

@processor("hello.chain_in_thread")
def chain_in_thread(job):
    job.client.add("greet", {"name": "Ada"})
"""
    )

    assert run(root, "--until-idle").returncode == 0
    assert greeted(root) == ["Ada"]
