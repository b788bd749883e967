"""The supervisor of `toril run`: it runs no job code, and does what must not starve because of any.

It starts the link to Redis, applies the schedules, then keeps locks, sweeps queues, restarts worker
processes and, if asked, watches for the moment when nothing is left to do.

The order of shutdown:
1. the watch for idleness ends, and no worker process is started any more;
2. every worker claims no more jobs, and finishes or hands back what it runs within the grace;
   until then locks are renewed, and the embedded server is started again if it dies;
3. a worker that is late is killed, and its jobs are handed back without a stall being counted;
4. housekeeping and the lock keeper end: no job is ours any more;
5. the connection is closed, and the embedded server stops unless another process uses it.
All of it fits into the grace, whether Redis answers or not.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from toril.clock import SystemClock
from toril.declarations.instants import format_instant
from toril.declarations.pipeline import Pipeline
from toril.errors import RedisUnavailable
from toril.plugins.manager import PluginManager
from toril.runner.crashes import CrashSettler
from toril.runner.crew import Crew
from toril.runner.housekeeping import Housekeeper
from toril.runner.idle import IdleWatch, Judgement, Verdict
from toril.runner.link import RedisLink
from toril.runner.order import WorkerOrder
from toril.runner.processes import WorkerProcess
from toril.runner.signals import StopSignals
from toril.runner.tasks import end_tasks
from toril.runner.throughput import Throughput, Untold
from toril.runner.tokens import TokenFile
from toril.runtime.calls.queues import Counts, open_queues, read_counts_of
from toril.runtime.calls.unfinished import UnfinishedWork
from toril.runtime.worker.locks import LockKeeper

OnEvent = Callable[[str, Mapping[str, Any]], None]

#: What every process notices at the same time.
_ABOUT_REDIS = frozenset({"redis_unavailable", "redis_available"})
#: A part of the supervisor that failed is started again after so long.
_PART_PAUSE_S = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class RunOptions:
    """What `toril run` was asked to do."""

    processes: int = 1
    #: Ends by itself once nothing is left to do.
    until_idle: bool = False
    #: How long running jobs may take to finish once it stops.
    grace_s: float = 30.0


class Runner:
    """Runs a pipeline until it is stopped, or idle."""

    def __init__(
        self,
        pipeline: Pipeline,
        plugins: PluginManager,
        options: RunOptions,
        on_event: OnEvent,
    ) -> None:
        self._pipeline = pipeline
        self._options = options
        self._on_event = on_event
        self._clock = SystemClock()
        self._queues = list(pipeline.worked_queues)
        self._stopping = asyncio.Event()
        self._idle: IdleWatch | None = None
        #: As last read; at the end, how the runner leaves its queues.
        self.counts: dict[str, Counts] = {}
        self._stopped_at = self._clock.monotonic()
        self._exit_code = 0
        self._parts: list[asyncio.Task[None]] = []
        self.throughput = Throughput(self._clock.monotonic)
        self._untold = Untold(self._clock.monotonic)
        self.link = RedisLink(
            pipeline,
            resolve_secret=plugins.resolve_secret,
            clock=self._clock,
            on_event=self._say,
            on_offset=lambda offset_ms: self._crew.tell_clock(offset_ms),
        )
        self._token_file = TokenFile(pipeline.root, host=_name_of_host(), pid=os.getpid())
        self._crashes = CrashSettler(
            link=self.link,
            prefix=pipeline.redis.prefix,
            queues=self._queues,
            clock=self._clock,
            on_event=self._say,
        )
        self._crew = Crew(
            size=options.processes if self._queues else 0,
            name=f"{_name_of_host()}-{os.getpid()}",
            make_order=self._make_order,
            crashes=self._crashes,
            token_file=self._token_file,
            on_event=self._say,
            on_message=self._receive,
            on_hopeless=self._give_up_on_workers,
        )
        self._housekeeper = Housekeeper(
            link=self.link,
            pipeline=pipeline,
            queues=self._queues,
            clock=self._clock,
            on_event=self._say,
            on_stalled=self._crew.tell_stalled,
        )

    async def run(self) -> int:
        """Runs, and gives the exit code: 1 if the work cannot be finished.

        Raises RedisUnavailable or EmbeddedServerError if there is no Redis to begin with.
        """
        signals = StopSignals(self.stop, self.hurry)
        signals.install()
        try:
            if await self._unless_stopped(self._open()):
                self._start()
                await self._stopping.wait()
                await self._close_crew()
        finally:
            await self._close_rest()
            signals.uninstall()
        self._say("runner_stopped", {})
        return self._exit_code

    def stop(self, reason: str) -> None:
        """Begins the shutdown; may come twice."""
        if not self._stopping.is_set():
            self._say("runner_stopping", {"reason": reason, "grace_s": self._options.grace_s})
            self._stopped_at = self._clock.monotonic()
            self._stopping.set()

    def hurry(self) -> None:
        """Hands back at once what still runs."""
        self._say("runner_hurried", {})
        self._crew.hurry()

    async def read_counts(self) -> dict[str, Counts]:
        """Reads how many jobs each queue has in each state."""
        call = read_counts_of(self._pipeline.redis.prefix, list(self._pipeline.queues))
        self.counts = await self.link.sender.send(call)
        return self.counts

    async def _unless_stopped(self, coroutine: Coroutine[Any, Any, None]) -> bool:
        """Runs to the end (True), or leaves off when the runner is stopped meanwhile."""
        work = asyncio.create_task(coroutine)
        stop = asyncio.create_task(self._stopping.wait())
        await asyncio.wait([work, stop], return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not work.done():
            await end_tasks([work])
            return False
        work.result()
        return True

    async def _open(self) -> None:
        await self.link.open()
        names = list(self._pipeline.queues)
        await self.link.sender.send(open_queues(self._pipeline.redis.prefix, names))
        await self._release_abandoned()
        await self._housekeeper.apply_limits()
        await self._housekeeper.apply_schedules()
        self._applied_ms = self._clock.now_ms()

    async def _release_abandoned(self) -> None:
        """Has the jobs of runners that were killed wait again; their workers died with them."""
        for abandoned in self._token_file.find_abandoned():
            for token in abandoned.tokens:
                await self._crashes.hand_back(token, abandoned.runner)
            abandoned.settled()

    def _start(self) -> None:
        self._say(
            "runner_started",
            {
                "project": self._pipeline.project,
                "processes": self._options.processes,
                "queues": [queue.name for queue in self._queues],
                "redis": self.link.address,
                "pid": os.getpid(),
            },
        )
        self._keep("link", self.link.watch)
        self._keep("locks", self._make_lock_keeper().run)
        self._keep("housekeeping", self._housekeeper.run)
        if self._options.until_idle:
            self._idle = self._make_idle_watch()
            self._keep("idle", self._idle.run)
        self._crew.start()

    async def _close_crew(self) -> None:
        grace_s = self._options.grace_s
        await self._crew.stop(
            finish_s=max(grace_s - 2.0, grace_s * 0.7),
            kill_s=max(grace_s - 1.0, grace_s * 0.85),
            end_s=max(grace_s - 0.5, grace_s * 0.9),
        )
        self._say_untold(self._untold.take())
        if self.counts:
            with suppress(RedisUnavailable, TimeoutError):
                async with asyncio.timeout(min(self._left_s(), 1.0)):
                    await self.read_counts()

    async def _close_rest(self) -> None:
        await end_tasks(self._parts)
        try:
            async with asyncio.timeout(self._left_s()):
                await self.link.close()
        except TimeoutError:
            # Whoever uses the server next stops it.
            self._say("server_left", {})
        self._token_file.close(all_settled=not self._crew.tokens)

    def _left_s(self) -> float:
        """How much of the grace is left, and never so little that nothing can be closed."""
        gone_s = self._clock.monotonic() - self._stopped_at
        return max(self._options.grace_s - gone_s, 0.5)

    def _keep(self, part: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._parts.append(asyncio.create_task(self._keep_running(part, run), name=part))

    async def _keep_running(self, part: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            try:
                await run()
            except Exception as error:  # noqa: BLE001 - the edge of a loop: told, and started again
                self._say(
                    "part_failed", {"part": part, "error": f"{type(error).__name__}: {error}"}
                )
                await asyncio.sleep(_PART_PAUSE_S)
            else:
                return

    def _end_stuck(self, judgement: Judgement) -> None:
        self._exit_code = 1
        where = judgement.stuck_in
        assert where is not None
        if judgement.verdict is Verdict.PAUSED:
            self._say("pipeline_stuck", {"queue": where.queue, "jobs": where.claimable})
        else:
            self._say("pipeline_childless", {"queue": where.queue, "jobs": where.waiting_children})
        self.stop("what is left cannot run")

    def _say_wait(self, wait: UnfinishedWork) -> None:
        assert wait.due_ms is not None
        due = format_instant(wait.due_ms)
        self._say("pipeline_waits", {"queue": wait.queue, "jobs": wait.delayed, "due": due})

    def _give_up_on_workers(self) -> None:
        self._exit_code = 1
        self._say("workers_hopeless", {})
        self.stop("no worker process can start")

    def _make_order(self, token: str, name: str, runs_alone: bool) -> WorkerOrder:
        return WorkerOrder(
            pipeline=self._pipeline,
            redis_url=self.link.url,
            token=token,
            name=name,
            clock_offset_ms=self._clock.offset_ms,
            grace_s=self._options.grace_s,
            runs_alone=runs_alone,
        )

    def _make_lock_keeper(self) -> LockKeeper:
        return LockKeeper(
            self.link.sender,
            self._clock,
            self._queues,
            lambda: self._crew.tokens,
            prefix=self._pipeline.redis.prefix,
            on_renewed=self._crew.tell_renewed,
            outage=self.link.outage,
        )

    def _make_idle_watch(self) -> IdleWatch:
        return IdleWatch(
            link=self.link,
            prefix=self._pipeline.redis.prefix,
            queues=[queue.name for queue in self._queues],
            external=[q.name for q in self._pipeline.queues.values() if q not in self._queues],
            after_ms=self._applied_ms,
            on_idle=lambda: self.stop("nothing is left to do"),
            on_stuck=self._end_stuck,
            on_wait=self._say_wait,
            now_ms=self._clock.now_ms,
        )

    def _receive(self, process: WorkerProcess, message: Mapping[str, Any]) -> None:
        if message["say"] == "event":
            self._hear(message["event"], {**message["fields"], "worker": process.name})
        elif message["say"] == "counts":
            for queue, event, number in message["counts"]:
                self.throughput.count(queue, event, number)
            self._say_untold(self._untold.add(message["untold"]))
            if self._idle is not None:
                self._idle.look()
        elif message["say"] == "failed":
            self._exit_code = 1
            self._say("worker_failed", {"worker": process.name, "error": message["error"]})
            self.stop("a worker cannot start")

    def _hear(self, event: str, fields: Mapping[str, Any]) -> None:
        """Passes a worker's event on; that Redis is away, the link finds and says for all."""
        if event in _ABOUT_REDIS:
            self.link.look()
        else:
            self._say(event, fields)

    def _say_untold(self, number: int) -> None:
        if number:
            self._say("events_untold", {"events": number})

    def _say(self, event: str, fields: Mapping[str, Any]) -> None:
        self._on_event(event, fields)


def _name_of_host() -> str:
    """It goes into connection names, which hold no spaces."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", socket.gethostname())
