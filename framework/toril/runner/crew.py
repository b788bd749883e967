"""The crew: the worker processes of a runner, each restarted when it ends; suspects run alone."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from toril.runner.crashes import CrashSettler, LeftJob
from toril.runner.exits import Exit, RestartPauses
from toril.runner.order import WorkerOrder
from toril.runner.processes import WorkerProcess, describe
from toril.runner.tasks import end_tasks
from toril.runner.tokens import TokenFile
from toril.runtime.worker.locks import Renewal

OnEvent = Callable[[str, Mapping[str, Any]], None]
OnMessage = Callable[[WorkerProcess, dict[str, Any]], None]
#: Makes the order for a process of that token and name, which runs suspects alone or not.
MakeOrder = Callable[[str, str, bool], WorkerOrder]

#: Processes for suspects that end before they are ready, until the suspects wait again instead.
_FRUITLESS_LIMIT = 3
#: Processes that end before any was ever ready, until the runner gives up: each would end so.
_HOPELESS_LIMIT = 5
#: After a kill the kernel needs no longer.
_DEATH_S = 0.3


class Crew:
    """Keeps `size` worker processes running until it is stopped."""

    def __init__(
        self,
        *,
        size: int,
        name: str,
        make_order: MakeOrder,
        crashes: CrashSettler,
        token_file: TokenFile,
        on_event: OnEvent,
        on_message: OnMessage,
        on_hopeless: Callable[[], None],
    ) -> None:
        self._size = size
        self._name = name
        self._make_order = make_order
        self._crashes = crashes
        self._token_file = token_file
        self._on_event = on_event
        self._on_message = on_message
        self._on_hopeless = on_hopeless
        self._was_ready = False
        self._never_ready = 0
        self._alive: dict[str, WorkerProcess] = {}
        #: Tokens of processes that live, or whose jobs are not settled and must not stall yet.
        self._unsettled: set[str] = set()
        #: What runs in a process for suspects, by its token.
        self._running_alone: dict[str, LeftJob] = {}
        #: What no process was there to be told.
        self._untold: list[dict[str, Any]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()

    @property
    def tokens(self) -> list[str]:
        """The tokens whose jobs keep their locks."""
        return list(self._unsettled)

    def start(self) -> None:
        """Starts the processes, and keeps them running from now on."""
        for number in range(1, self._size + 1):
            self._spawn(self._keep_seat(f"{self._name}-{number}"))

    async def stop(self, *, finish_s: float, kill_s: float, end_s: float) -> None:
        """Has every process finish or hand back within `finish_s`, and kills what is left later.

        Returns once what they left is handed back, or after `end_s`, for Redis may be away.
        """
        began = asyncio.get_running_loop().time()
        self._stopping.set()
        for process in tuple(self._alive.values()):
            process.stop(finish_s)
        await self._wait_until(began + kill_s)
        for process in tuple(self._alive.values()):
            self._on_event("worker_killed", describe(process))
            process.kill()
        await self._wait_until(max(began + end_s, asyncio.get_running_loop().time() + _DEATH_S))
        await end_tasks(self._tasks)

    def tell_renewed(self, renewal: Renewal) -> None:
        """Tells each process which jobs were still its own."""
        news = {"do": "locked", "queues": renewal.queues, "as_of": renewal.as_of}
        for token, process in self._alive.items():
            process.tell({**news, "owned": renewal.of(token)})

    def tell_clock(self, offset_ms: int) -> None:
        """Tells every process how far the server's clock is ahead."""
        for process in self._alive.values():
            process.tell({"do": "clock", "offset_ms": offset_ms})

    def tell_stalled(self, queue: str, ids: Sequence[str]) -> None:
        """Lets one process's plugins know of stalled jobs; their code does not run in this one."""
        self._untold.append({"do": "stalled", "queue": queue, "ids": list(ids)})
        self._tell_untold()

    def hurry(self) -> None:
        """Has every process hand back now what it runs."""
        for process in tuple(self._alive.values()):
            process.stop(0)

    def _tell_untold(self) -> None:
        for process in tuple(self._alive.values())[:1]:
            for message in self._untold:
                process.tell(message)
            self._untold.clear()

    async def _wait_until(self, when: float) -> None:
        if self._tasks:
            seconds = when - asyncio.get_running_loop().time()
            await asyncio.wait(self._tasks, timeout=max(seconds, 0))

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _keep_seat(self, name: str) -> None:
        pauses = RestartPauses()
        while not self._stopping.is_set():
            process = self._new_process(name, alone=False)
            await self._live(process)
            if self._stopping.is_set() or self._is_hopeless(process):
                return
            pause_s = pauses.next_s(lived_s=process.lived_s, random_unit=random.random())
            self._on_event("worker_restarting", {"worker": name, "pause_s": round(pause_s, 2)})
            await self._pause(pause_s)

    def _is_hopeless(self, process: WorkerProcess) -> bool:
        """Whether no process ever became ready, after this one and several before it."""
        self._never_ready += not process.is_ready
        if self._was_ready or self._never_ready < _HOPELESS_LIMIT:
            return False
        self._on_hopeless()
        return True

    async def _live(self, process: WorkerProcess) -> bool:
        """Runs a process to its end and settles what it left; gives whether it ended well."""
        self._unsettled.add(process.token)
        try:
            await process.start()
        except OSError as error:
            self._on_event("worker_failed", {**describe(process), "error": str(error)})
            if not process.order.runs_alone:
                self._unsettled.discard(process.token)
            return False
        self._alive[process.token] = process
        self._tell_untold()
        if self._stopping.is_set():
            process.stop(0)
        exit_ = await process.wait()
        del self._alive[process.token]
        try:
            return await self._settle(process, exit_)
        except Exception as error:  # noqa: BLE001 - an answer that nobody foresaw
            self._leave_to_sweep(process.token, error)
            return True

    async def _settle(self, process: WorkerProcess, exit_: Exit) -> bool:
        running_alone = self._running_alone.pop(process.token, None)
        left = await self._crashes.find_left(process.token)
        # A job may end its process with any code, 0 too; one that ends by itself leaves nothing.
        is_crash = (exit_.is_crash or bool(left)) and not self._stopping.is_set()
        if is_crash:
            fields = {**describe(process), "exit": str(exit_), "running": len(left)}
            self._on_event("worker_ended", fields)
        if is_crash and process.order.runs_alone:
            if running_alone in left:
                await self._crashes.blame(process.token, running_alone, exit_)
        elif is_crash and len(left) > 1:
            self._on_event("suspects_isolated", {"worker": process.name, "jobs": len(left)})
            self._spawn(self._isolate(process))
        else:
            if is_crash and left:
                await self._crashes.blame(process.token, left[0], exit_)
            await self._release(process.token, process.name)
        return not is_crash

    async def _isolate(self, dead: WorkerProcess) -> None:
        """Runs the jobs of a dead process one at a time, in as many processes as that takes."""
        pauses = RestartPauses()
        token, fruitless = dead.token, 0
        while not self._stopping.is_set() and fruitless < _FRUITLESS_LIMIT:
            process = self._new_process(f"{dead.name}-alone", alone=True)
            self._unsettled.add(process.token)
            try:
                # Before it starts: what it is to run is its own from its first moment on.
                await self._crashes.adopt(token, new_token=process.token, worker=process.name)
            except Exception as error:  # noqa: BLE001 - an answer that nobody foresaw
                self._leave_to_sweep(process.token, error)
                break
            self._unsettled.discard(token)
            token = process.token
            if await self._live(process):
                return
            fruitless = 0 if process.is_ready else fruitless + 1
            await self._pause(pauses.next_s(lived_s=process.lived_s, random_unit=random.random()))
        try:
            await self._release(token, dead.name)
        except Exception as error:  # noqa: BLE001 - an answer that nobody foresaw
            self._leave_to_sweep(token, error)

    def _leave_to_sweep(self, token: str, error: Exception) -> None:
        """Lets the locks of a token run out, so that a sweep gives its jobs back."""
        fields = {
            "part": "settling what a worker left",
            "error": f"{type(error).__name__}: {error}",
        }
        self._on_event("part_failed", fields)
        self._unsettled.discard(token)

    async def _release(self, token: str, worker: str) -> None:
        """Puts back what a token still has, and forgets the token."""
        await self._crashes.hand_back(token, worker)
        self._unsettled.discard(token)

    def _new_process(self, name: str, *, alone: bool) -> WorkerProcess:
        token = uuid.uuid4().hex
        self._token_file.add(token)
        order = self._make_order(token, name, alone)
        return WorkerProcess(order, self._receive, self._show)

    def _receive(self, process: WorkerProcess, message: dict[str, Any]) -> None:
        if message["say"] == "ready":
            process.is_ready = self._was_ready = True
            self._on_event("worker_started", describe(process))
        elif message["say"] == "event" and message["event"] == "job_started":
            fields = message["fields"]
            self._running_alone[process.token] = LeftJob(fields["queue"], fields["job"])
            return
        self._on_message(process, message)

    def _show(self, process: WorkerProcess, line: str) -> None:
        self._on_event("worker_said", {**describe(process), "line": line})

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return
