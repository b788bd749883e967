"""The processes that run a worker's jobs of `run_in: process`, as their worker sees them."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from toril.errors import JobSignal, TorilError
from toril.runner.channel import Channel, Message
from toril.runner.exits import Exit
from toril.runner.order import WorkerOrder
from toril.runtime import outcomes
from toril.runtime.codec import decode_json
from toril.runtime.job import ClaimedJob
from toril.runtime.worker.handles import Reports
from toril.runtime.worker.plans import Plan
from toril.runtime.worker.processes import Decided, MemoryLimitExceeded, ProcessCrashed

#: Loading the plugins takes no longer, or the process is given up.
_START_S = 60.0
#: An idle process ends after so long.
_IDLE_S = 60.0
#: A process that was told to end is killed after so long.
_END_S = 2.0
#: How often a process with a limit is looked at.
_LOOK_EVERY_S = 0.1

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class JobProcesses:
    """Starts processes on demand, lends idle ones again, and ends them in time."""

    def __init__(self, order: WorkerOrder, tell: Callable[[Message], None]) -> None:
        """`tell` is told which processes there are: what they started may outlive this one."""
        self._order = order
        self._tell = tell
        self._idle: list[JobProcess] = []
        self._alive: set[JobProcess] = set()

    @asynccontextmanager
    async def lend(self, plan: Plan) -> AsyncIterator[JobProcess]:
        """Gives a process for one job; raises ProcessCrashed if none can be started."""
        process = self._take_idle(plan) or await JobProcess.start(self._order, self._tell)
        self._alive.add(process)
        try:
            yield process
        finally:
            process.runs += 1
            if process.is_ready and process.runs < plan.job_type.recycle_after:
                loop = asyncio.get_running_loop()
                process.ends_at = loop.call_later(_IDLE_S, self._retire, process)
                self._idle.append(process)
            else:
                self._end(process)

    async def close(self) -> None:
        """Ends them all, and waits for that."""
        ending = [process.end() for process in self._alive]
        self._idle.clear()
        await asyncio.gather(*ending)

    def _take_idle(self, plan: Plan) -> JobProcess | None:
        while self._idle:
            # The last one is the warmest, and the first ones get to end.
            process = self._idle.pop()
            if process.ends_at is not None:
                process.ends_at.cancel()
            if process.suits(plan):
                return process
            self._end(process)
        return None

    def _retire(self, process: JobProcess) -> None:
        self._idle.remove(process)
        self._end(process)

    def _end(self, process: JobProcess) -> None:
        process.end().add_done_callback(lambda _: self._alive.discard(process))


class JobProcess:
    """One process that runs a job at a time."""

    def __init__(
        self, process: asyncio.subprocess.Process, end: socket.socket, channel: Channel
    ) -> None:
        self._process = process
        self._end = end
        self._channel = channel
        self._messages = channel.messages()
        self._waiting = asyncio.create_task(process.wait())
        self._waiting.add_done_callback(lambda _: self._hang_up())
        self._ending: asyncio.Task[None] | None = None
        #: What it held before its first job.
        self._fresh_bytes = 0
        self._over_bytes: int | None = None
        #: It waits for a job.
        self.is_ready = False
        self.runs = 0
        self.ends_at: asyncio.TimerHandle | None = None

    @classmethod
    async def start(cls, order: WorkerOrder, tell: Callable[[Message], None]) -> JobProcess:
        """Starts a fresh interpreter, which loads the plugins; raises ProcessCrashed."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = await asyncio.create_subprocess_exec(
                    # As worker processes are started; its output is the worker's.
                    *(sys.executable, "-P", "-u", "-m", "toril.runner.job_process"),
                    *(str(theirs.fileno()), str(os.getpid())),
                    pass_fds=[theirs.fileno()],
                    stdin=asyncio.subprocess.DEVNULL,
                    start_new_session=True,
                )
            except OSError as error:
                ours.close()
                raise ProcessCrashed(f"the job's process cannot be started: {error}") from error
        made = cls(process, ours, await Channel.open(ours))
        tell({"say": "job_process", "pid": process.pid, "lives": True})
        made._waiting.add_done_callback(
            lambda _: tell({"say": "job_process", "pid": process.pid, "lives": False})
        )
        try:
            made._channel.send(order.to_message())
            async with asyncio.timeout(_START_S):
                await made._read()
        except TimeoutError as error:
            raise ProcessCrashed(f"the job's process did not start in {_START_S:.0f} s") from error
        finally:
            if not made.is_ready:
                made.kill()
                await made._waiting
        made._fresh_bytes = _measure_memory(process.pid)
        return made

    async def run(self, job: ClaimedJob, plan: Plan, *, now_ms: int, reports: Reports) -> Decided:
        """Runs a job; a run that is cancelled, or over its memory, kills the process."""
        self.is_ready = False
        watching = None
        if plan.job_type.max_memory is not None:
            watching = asyncio.create_task(self._watch_memory(plan.job_type.max_memory))
        self._channel.send(
            {
                "do": "run",
                "queue": job.queue,
                "id": job.id,
                "fields": list(job.fields.items()),
                "children": list(job.children.items()),
                "now_ms": now_ms,
            }
        )
        try:
            while (message := await self._read())["say"] != "ended":
                await self._answer(job, message, reports)
        except ProcessCrashed as error:
            if self._over_bytes is None or plan.job_type.max_memory is None:
                raise
            raise MemoryLimitExceeded(
                f"the job's process held {self._over_bytes / 2**20:.0f}mb of memory, more than "
                f"its max_memory of {plan.job_type.max_memory / 2**20:.0f}mb"
            ) from error
        finally:
            if watching is not None:
                watching.cancel()
            if not self.is_ready:
                self.kill()
        kind = getattr(outcomes, message["kind"])
        return Decided(msgspec.convert(message["outcome"], kind))

    def kill(self) -> None:
        """Ends it at once, with all that it has started and that did not leave its session."""
        self.is_ready = False
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._channel.close()

    def suits(self, plan: Plan) -> bool:
        """Whether it may run one more job; what earlier ones left in memory is not its fault."""
        if self._waiting.done() or self.runs >= plan.job_type.recycle_after:
            return False
        limit_bytes = plan.job_type.max_memory
        if limit_bytes is None:
            return True
        return _measure_memory(self._process.pid) <= (self._fresh_bytes + limit_bytes) / 2

    def end(self) -> asyncio.Task[None]:
        """Lets it end by itself, which it does when nobody speaks to it any more; kills it then."""
        self.is_ready = False
        self._channel.close()
        if self.ends_at is not None:
            self.ends_at.cancel()
        if self._ending is None:
            self._ending = asyncio.create_task(self._wait_for_end())
        return self._ending

    async def _wait_for_end(self) -> None:
        await asyncio.wait([self._waiting], timeout=_END_S)
        self.kill()
        await self._waiting

    async def _read(self) -> Mapping[str, Any]:
        message = await anext(self._messages, None)
        if message is None:
            # It may have closed the channel and live on.
            await asyncio.shield(self.end())
            raise ProcessCrashed(f"the job's process died: {Exit(self._waiting.result())}")
        if message["say"] == "failed":
            raise ProcessCrashed(f"the job's process cannot run it: {message['error']}")
        self.is_ready = message["say"] in ("ready", "ended") and self._over_bytes is None
        return message

    def _hang_up(self) -> None:
        """Ends the channel behind what the dead process said, whoever holds its end of it now."""
        with suppress(OSError):
            self._end.shutdown(socket.SHUT_RDWR)

    async def _answer(self, job: ClaimedJob, message: Mapping[str, Any], reports: Reports) -> None:
        """Does what the job asks for: one of `Reports`, whose arguments travel as JSON."""
        method, given = message["method"], [decode_json(text.encode()) for text in message["given"]]
        try:
            value = await getattr(reports, method)(job, *given)
            answer = {"value": value}
        except (TorilError, JobSignal) as error:
            answer = {"error": type(error).__name__, "text": str(error)}
        self._channel.send({"do": "answer", "number": message["number"], **answer})

    async def _watch_memory(self, most_bytes: int) -> None:
        """Kills the process once it holds too much."""
        while True:
            held_bytes = _measure_memory(self._process.pid)
            if held_bytes > most_bytes:
                self._over_bytes = held_bytes
                self.kill()
                return
            await asyncio.sleep(_LOOK_EVERY_S)


def _measure_memory(pid: int) -> int:
    """Gives how many bytes of memory a process holds (RSS); 0 once it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError):
        return 0
