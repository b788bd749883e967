"""One worker process as its supervisor sees it: started, spoken to, waited for."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, BinaryIO

from toril.runner.channel import Channel, Message
from toril.runner.exits import Exit
from toril.runner.order import WorkerOrder

#: Output without a line end is shown in pieces of this size.
_LONGEST_OUTPUT = 8_192
#: What a dead process has said is read for so long at most.
_REST_S = 0.5

OnMessage = Callable[["WorkerProcess", dict[str, Any]], None]
OnOutput = Callable[["WorkerProcess", str], None]


class WorkerProcess:
    """A process that runs jobs; it is killed by the kernel when its supervisor dies."""

    def __init__(self, order: WorkerOrder, on_message: OnMessage, on_output: OnOutput) -> None:
        self.order = order
        self._on_message = on_message
        self._on_output = on_output
        self._process: asyncio.subprocess.Process | None = None
        self._channel: Channel | None = None
        self._readers: list[asyncio.Task[None]] = []
        #: The processes that its jobs run in, each the first of a group.
        self._job_processes: set[int] = set()
        self._started = time.monotonic()
        #: Set by the one who reads its messages.
        self.is_ready = False

    @property
    def token(self) -> str:
        """The mark of its jobs."""
        return self.order.token

    @property
    def name(self) -> str:
        """What people see."""
        return self.order.name

    @property
    def pid(self) -> int | None:
        """Its process id, once started."""
        return self._process.pid if self._process else None

    @property
    def lived_s(self) -> float:
        """How long ago it was started."""
        return time.monotonic() - self._started

    async def start(self) -> None:
        """Starts the process and sends it its order."""
        ours, theirs = socket.socketpair()
        reading, writing = os.pipe()
        output = os.fdopen(reading, "rb", 0)
        with theirs, os.fdopen(writing, "wb", 0) as said:
            self._process = await asyncio.create_subprocess_exec(
                *_command(theirs.fileno()),
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                # Not PIPE: some Pythons then wait for the end of the output, too, which children of
                # a job may hold open.
                stdout=said,
                stderr=asyncio.subprocess.STDOUT,
                # Ctrl-C is for the supervisor, who lets jobs finish.
                start_new_session=True,
            )
        self._channel = await Channel.open(ours)
        self._channel.send(self.order.to_message())
        self._readers = [
            asyncio.create_task(self._read_messages(self._channel)),
            asyncio.create_task(self._read_output(output)),
        ]

    def tell(self, message: Message, *, may_be_lost: bool = False) -> None:
        """Sends a message, if the process is still there."""
        if self._channel is not None:
            self._channel.send(message, may_be_lost=may_be_lost)

    def stop(self, grace_s: float) -> None:
        """Asks it to claim no more, and to finish or hand back what it runs within the grace."""
        self.tell({"do": "stop", "grace_s": grace_s})

    def kill(self) -> None:
        """Ends it at once; may come twice."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def wait(self) -> Exit:
        """Waits for its end, and for all that it said before."""
        if self._process is None:
            raise RuntimeError("the process was not started")
        code = await self._process.wait()
        hearing, _ = self._readers
        await asyncio.wait([hearing], timeout=_REST_S)
        self._kill_job_processes()
        # A job may have left children that hold the output open; they are not waited for.
        _, silent = await asyncio.wait(self._readers, timeout=_REST_S)
        for reader in silent:
            reader.cancel()
        if self._channel is not None:
            self._channel.close()
        return Exit(code)

    def _kill_job_processes(self) -> None:
        """Ends what jobs have started in their processes; these died with the worker."""
        for pid in self._job_processes:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)

    async def _read_messages(self, channel: Channel) -> None:
        async for message in channel.messages():
            if message["say"] != "job_process":
                self._on_message(self, message)
            elif message["lives"]:
                self._job_processes.add(message["pid"])
            else:
                self._job_processes.discard(message["pid"])

    async def _read_output(self, output: BinaryIO) -> None:
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), output
        )
        rest = b""
        try:
            while chunk := await reader.read(65_536):
                *lines, rest = (rest + chunk).split(b"\n")
                if len(rest) > _LONGEST_OUTPUT:
                    lines, rest = [*lines, rest], b""
                self._show(lines)
        finally:
            self._show([rest])
            transport.close()

    def _show(self, lines: list[bytes]) -> None:
        for line in lines:
            if text := line.decode("utf-8", "replace").rstrip():
                self._on_output(self, text[:_LONGEST_OUTPUT])


def _command(channel: int) -> list[str]:
    # -P: the directory one happens to stand in must not shadow modules.
    # -u: what a job prints is seen at once, and not lost when it crashes.
    module = "toril.runner.worker_process"
    return [sys.executable, "-P", "-u", "-m", module, str(channel), str(os.getpid())]


def describe(process: WorkerProcess) -> Mapping[str, Any]:
    """Gives the fields by which events name a worker process."""
    return {"worker": process.name, "pid": process.pid}
