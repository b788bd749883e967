"""Real processes: what a command is given, what it leaves behind, and how it ends."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from toril import LockLost, Unrecoverable
from toril_shell.params import RunParams
from toril_shell.run import CommandFailed, run


def make_job(data: Any = None) -> Any:
    lines: list[str] = []

    async def log(line: str) -> None:
        lines.append(line)

    return SimpleNamespace(id="job-1", data={} if data is None else data, log=log, lines=lines)


async def execute(job: Any, *command: str, **params: Any) -> dict[str, Any]:
    taken = msgspec.convert({"command": command} | params, type=RunParams)
    result: dict[str, Any] = await run(job, taken)
    return result


def python(text: str) -> tuple[str, str, str]:
    return sys.executable, "-c", textwrap.dedent(text)


async def wait_until(condition: Callable[[], bool], within_s: float = 10) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "not within the time"
        await asyncio.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def list_left() -> tuple[int, set[str]]:
    """Gives how many descriptors are open, and the children of all threads."""
    children = [path.read_text() for path in Path("/proc/self/task").glob("*/children")]
    return len(list(Path("/proc/self/fd").iterdir())), set(" ".join(children).split())


async def test_output_is_the_result_and_the_jobs_log() -> None:
    job = make_job()

    result = await execute(job, *python("print('one'); print('two')"))

    assert result.pop("elapsed_ms") >= 0
    assert result == {"exit_code": 0, "output": "one\ntwo\n"}
    assert job.lines == ["one", "two"]


async def test_data_stays_one_argument_and_no_shell_reads_it() -> None:
    name = "a b; echo $HOME `id` $(id) * '"

    result = await execute(
        make_job({"name": name, "n": 3}), "printf", "[%s]", "{data.name}", "--n={data.n}"
    )

    assert result["output"] == f"[{name}][--n=3]"


@pytest.mark.parametrize(
    ("command", "data", "reason"),
    [
        (
            ["echo", "{data.name}"],
            {"name": "-n"},
            "the command would take '-n' for an option; put '--' before '{data.name}'",
        ),
        (["echo", "{data.name}"], {}, "the command needs 'name', which the job's data lacks"),
        (
            ["echo", "{data.name}"],
            {"name": ["x"]},
            "the command needs text or a number as 'name', got ['x']",
        ),
        (
            ["echo", "{data.name}"],
            {"name": "a\0b"},
            "the command cannot take the NUL character in 'name'",
        ),
        (
            ["echo", "{data.name}"],
            {"name": "\ud800"},
            "the command cannot take '\\ud800' as 'name'",
        ),
    ],
)
async def test_data_that_is_no_plain_argument_is_refused(
    command: list[str], data: Any, reason: str
) -> None:
    with pytest.raises(Unrecoverable) as raised:
        await execute(make_job(data), *command)

    assert str(raised.value) == reason


async def test_after_two_dashes_data_may_begin_with_a_dash() -> None:
    result = await execute(make_job({"name": "-n"}), "printf", "--", "%s", "{data.name}")

    assert result["output"] == "-n"


async def test_the_environment_is_what_was_said_and_no_more(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TORIL_SECRET", "canary")
    monkeypatch.setenv("STAGE", "test")

    result = await execute(
        make_job(), "env", env={"GREETING": "hello"}, inherit_env=["PATH", "STAGE"]
    )
    where = await execute(make_job(), "pwd", cwd=str(tmp_path))

    names = {line.partition("=")[0] for line in result["output"].splitlines()}
    assert names - {"LC_CTYPE"} == {"PATH", "STAGE", "GREETING"}
    assert where["output"] == f"{tmp_path}\n"


async def test_the_data_may_come_by_standard_input() -> None:
    result = await execute(make_job({"a": [1, "ü"]}), "cat", send_data=True)
    unread = await execute(make_job({"a": "x" * 1_000_000}), "true", send_data=True)

    assert result["output"] == '{"a": [1, "\\u00fc"]}'
    assert unread["exit_code"] == 0


async def test_an_exit_code_says_whether_another_attempt_is_worth_it() -> None:
    failing = python("import sys; print('no space left', file=sys.stderr); sys.exit(3)")

    with pytest.raises(CommandFailed, match=r"^python\S* exited with 3: no space left$"):
        await execute(make_job(), *failing)
    with pytest.raises(Unrecoverable, match="exited with 3"):
        await execute(make_job(), *failing, unrecoverable_codes=[3])
    assert (await execute(make_job(), *failing, ok_codes=[0, 3]))["exit_code"] == 3


async def test_the_error_holds_the_last_words_of_a_long_output() -> None:
    failing = python("[print(i) for i in range(200_000)]; print('the reason'); raise SystemExit(1)")

    with pytest.raises(CommandFailed, match=r"exited with 1: 199998 \| 199999 \| the reason$"):
        await execute(make_job(), *failing, max_log_lines=5)


async def test_a_command_ended_by_a_signal_names_it() -> None:
    with pytest.raises(CommandFailed, match="was ended by SIGKILL"):
        await execute(make_job(), *python("import os; os.kill(os.getpid(), 9)"))


async def test_a_program_or_folder_that_is_not_there_is_not_tried_again() -> None:
    with pytest.raises(Unrecoverable, match="cannot start 'no-such-program'"):
        await execute(make_job(), "no-such-program")
    with pytest.raises(Unrecoverable, match="No such file or directory"):
        await execute(make_job(), "true", cwd="/no/such/folder")


async def test_log_and_result_are_bounded() -> None:
    job = make_job()
    large = python("print('x' * 300_000); [print(i) for i in range(5000)]; print('end', end='')")

    result = await execute(job, *large, max_output="1kb", max_log_lines=10)

    assert len(result["output"]) == 1024
    assert result["output"].endswith("4999\nend")
    assert len(job.lines) == 11
    assert job.lines[-1] == "more output is not kept in this log"
    assert max(map(len, job.lines)) <= 2000


FAMILY = """
    import os, signal, subprocess, sys, time
    from pathlib import Path
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True);"
    stubborn += "time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", stubborn], stdout=subprocess.PIPE)
    child.stdout.readline()
    Path(sys.argv[1]).write_text(f"{os.getpid()} {child.pid}")
    time.sleep(60)
"""


async def test_a_cancelled_job_leaves_no_process_of_its_group(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    task = asyncio.create_task(execute(make_job(), *python(FAMILY), str(pids), grace="100ms"))
    await wait_until(lambda: pids.exists() and len(pids.read_text().split()) == 2)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await wait_until(lambda: not any(is_running(int(pid)) for pid in pids.read_text().split()))


async def test_a_command_whose_output_nobody_reads_any_more_is_cancelled(tmp_path: Path) -> None:
    full = tmp_path / "full"
    filling = """
        import os, select, sys, time
        from pathlib import Path
        os.set_blocking(1, False)
        while select.select([], [1], [], 0.2)[1]:
            os.write(1, b"words" * 1000)
        Path(sys.argv[1]).touch()
        time.sleep(60)
    """
    # As it waits while Redis is away.
    job = SimpleNamespace(data={}, log=lambda line: asyncio.Event().wait())
    task = asyncio.create_task(execute(job, *python(filling), str(full), grace="100ms"))
    await wait_until(full.exists)

    task.cancel()

    async with asyncio.timeout(10):
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_what_left_the_group_holds_up_no_result() -> None:
    away = """
        import subprocess, sys
        child = subprocess.Popen(["sleep", "60"], start_new_session=True)
        print(child.pid)
    """

    async with asyncio.timeout(10):
        result = await execute(make_job(), *python(away), send_data=True)

    os.kill(int(result["output"]), signal.SIGKILL)


async def test_what_a_command_leaves_running_ends_with_it(tmp_path: Path) -> None:
    leaving = """
        import subprocess, sys
        child = subprocess.Popen(["sleep", "60"])
        print(child.pid)
    """

    result = await execute(make_job(), *python(leaving))

    await wait_until(lambda: not is_running(int(result["output"])))


async def test_a_killed_worker_leaves_no_process_of_the_group(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    (tmp_path / "family.py").write_text(textwrap.dedent(FAMILY))
    worker = """
        import asyncio, sys
        from types import SimpleNamespace
        from toril_shell.params import RunParams
        from toril_shell.run import run
        command = (sys.executable, *sys.argv[1:])
        job = SimpleNamespace(data={}, log=lambda line: asyncio.sleep(0))
        asyncio.run(run(job, RunParams(command=command, grace="100ms")))
    """
    process = await asyncio.create_subprocess_exec(
        *python(worker), str(tmp_path / "family.py"), str(pids)
    )
    await wait_until(lambda: pids.exists() and len(pids.read_text().split()) == 2)

    process.send_signal(signal.SIGKILL)
    await process.wait()

    await wait_until(lambda: not any(is_running(int(pid)) for pid in pids.read_text().split()))


async def test_no_descriptor_and_no_child_stays_behind() -> None:
    await execute(make_job(), "true")
    gc.collect()  # So that nothing of earlier tests is closed meanwhile.
    descriptors, children = list_left()

    for _ in range(5):
        await execute(make_job(), "true")

    await wait_until(lambda: list_left() == (descriptors, children))


async def test_a_lost_lock_ends_the_command_and_is_told_as_it_is(tmp_path: Path) -> None:
    async def log(line: str) -> None:
        raise LockLost

    job = SimpleNamespace(data={}, log=log)

    with pytest.raises(LockLost):
        await execute(
            job, *python("import time; print(1, flush=True); time.sleep(60)"), grace="100ms"
        )


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"command": "git fetch"}, "Expected `array`"),
        ({"command": []}, "length >= 1"),
        ({"command": ["{data.program}"]}, "the program is written out"),
        ({"command": ["true"], "cwd": "here"}, "expected an absolute path as cwd, got 'here'"),
        ({"command": ["true"], "env": {"A=B": ""}}, "hold no '='"),
        ({"command": ["tr\0ue"]}, "NUL"),
        ({"command": ["true"], "grace": "5"}, "expected a duration"),
    ],
)
def test_parameters_that_make_no_command_are_refused(params: dict[str, Any], reason: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=reason):
        msgspec.convert(params, type=RunParams)
