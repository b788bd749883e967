"""The processor `shell.run`: one command, never through a shell."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from toril import Job, Unrecoverable, parse_duration_ms, parse_size, processor
from toril_shell.arguments import fill_arguments
from toril_shell.output import Log, Output, read_output
from toril_shell.params import RunParams

_GUARD = Path(__file__).with_name("guard.py")
#: How long output is read on that a process outside the group holds open.
_LINGER_S = 1.0


class CommandFailed(Exception):
    """The command ended with a code that is not among `ok_codes`; another attempt may do better."""


@processor("shell.run", params=RunParams)
async def run(job: Job, params: RunParams) -> dict[str, Any]:
    """Runs the command; gives `exit_code`, `output` (the end of it) and `elapsed_ms`."""
    started = time.monotonic()
    command = fill_arguments(params.command, job.data)
    log, kept = Log(job, most=params.max_log_lines), bytearray()
    code = await _run_guarded(job, params, command, log, kept)
    if code not in params.ok_codes:
        reason = _describe(params.command[0], code, log)
        raise (Unrecoverable if code in params.unrecoverable_codes else CommandFailed)(reason)
    return {
        "exit_code": code,
        "output": kept.decode("utf-8", errors="replace"),
        "elapsed_ms": round((time.monotonic() - started) * 1000),
    }


async def _run_guarded(
    job: Job, params: RunParams, command: list[str], log: Log, kept: bytearray
) -> int:
    """Runs the command and its guard; whatever ends this ends the command's process group."""
    theirs, ours = os.pipe()
    async with Output.open() as stdout, Output.open() as stderr:
        try:
            process = await _start(job, params, command, theirs, stdout, stderr)
        except OSError as error:
            os.close(ours)
            raise Unrecoverable(f"cannot run {command[0]!r}: {error.strerror}") from error
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        try:
            await _read(process, params, stdout, stderr, log, kept)
        finally:
            os.close(ours)
            code = await process.wait()
    return code


async def _start(
    job: Job,
    params: RunParams,
    command: list[str],
    lifeline: int,
    stdout: Output,
    stderr: Output,
) -> Process:
    inherited = {name: os.environ[name] for name in params.inherit_env if name in os.environ}
    grace_s = parse_duration_ms(params.grace) / 1000
    # None of its streams is a PIPE: some Pythons then wait for the end of these, too, which may
    # never come if they are not read any more, or if a process outside the group has them.
    with TemporaryFile() as stdin, stdout.writing as out, stderr.writing as err:
        if params.send_data:
            stdin.write(json.dumps(job.data).encode())
            stdin.seek(0)
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(_GUARD), str(lifeline), str(grace_s), *command),
            stdin=stdin if params.send_data else DEVNULL,
            stdout=out,
            stderr=err,
            cwd=params.cwd,
            env=inherited | params.env,
            pass_fds=[lifeline],
            start_new_session=True,
        )


async def _read(
    process: Process, params: RunParams, stdout: Output, stderr: Output, log: Log, kept: bytearray
) -> None:
    """Reads what the command says until it has ended, and then what is left."""
    most = parse_size(params.max_output)
    try:
        async with asyncio.TaskGroup() as tasks:
            flows = [
                tasks.create_task(read_output(stdout.reader, log, kept, most)),
                tasks.create_task(read_output(stderr.reader, log, bytearray(), 0)),
            ]
            await process.wait()
            _, pending = await asyncio.wait(flows, timeout=_LINGER_S)
            for flow in pending:
                flow.cancel()
    except BaseExceptionGroup as group:
        # Such as LockLost from the job's log: its kind says how the run ends.
        raise group.exceptions[0] from None


def _describe(program: str, code: int, log: Log) -> str:
    name = Path(program).name
    try:
        ended = f"{name} was ended by {signal.Signals(code - 128).name}"
    except ValueError:
        ended = f"{name} exited with {code}"
    last = " | ".join(log.last)[-500:]
    return f"{ended}: {last}" if last else ended
