"""The worker: claims jobs of its queues, runs them, settles how they ended.

Its end, in this order: no more claims; running jobs finish within the grace; the rest is cancelled
and handed back; what ended is settled; connections close.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any

from redis.asyncio import Redis

from toril.clock import Clock
from toril.declarations.backoff import WaitFactory
from toril.declarations.pipeline import Pipeline
from toril.declarations.queue import Queue
from toril.plugins.descriptors import Processor
from toril.plugins.observers import Observers
from toril.runtime.calls.locks import Swept
from toril.runtime.calls.queues import open_queues
from toril.runtime.flows import CheckData
from toril.runtime.keys import QueueKeys
from toril.runtime.sender import AsyncSender
from toril.runtime.worker.alarms import Alarms
from toril.runtime.worker.announce import Announcer
from toril.runtime.worker.execution import Execution
from toril.runtime.worker.in_hand import JobsInHand
from toril.runtime.worker.isolation import Isolation
from toril.runtime.worker.launcher import Launcher
from toril.runtime.worker.locks import LockKeeper
from toril.runtime.worker.loop_watch import LoopWatch
from toril.runtime.worker.markers import MarkerWait
from toril.runtime.worker.news import News, OnEvent
from toril.runtime.worker.outbox import Outbox
from toril.runtime.worker.plans import build_plans
from toril.runtime.worker.preparation import Preparation
from toril.runtime.worker.reconnect import Outage
from toril.runtime.worker.recovery import Recovery
from toril.runtime.worker.reports import QueueReports
from toril.runtime.worker.rounds import LANES, Rounds
from toril.runtime.worker.served_queue import Doubt, ServedQueue
from toril.runtime.worker.stalled import StalledSweep
from toril.runtime.worker.threads import Threads

#: Cancelled coroutines get so long to clean up before their jobs are handed back anyway.
_UNWIND_S = 1.0
#: At the end Redis gets so long to accept what ended; then locks run out instead.
_SETTLE_S = 2.0


class Worker:
    """One claiming loop for all given queues; `run` it once, `stop` it as often as you like.

    `adopt`, pairs of queue and token, makes it an isolation worker: it takes over the jobs active
    under those tokens (its own counts: jobs moved to it before it started), runs them one at a
    time, claims nothing else and ends. `check_data` holds data that a flow's expressions made
    against its job's schema. `on_event` takes stable names and fields, see `News` and
    `Outage`. `renews_locks` is for a worker that no supervisor stands beside.
    """

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        queues: Sequence[Queue],
        processors: Mapping[str, Processor],
        backoffs: Mapping[str, WaitFactory],
        sender: AsyncSender,
        connect_blocking: Callable[[], Redis],
        clock: Clock,
        token: str,
        name: str,
        observers: Observers,
        resolve_secret: Callable[[str], str],
        client: Any = None,
        thread_client: Any = None,
        check_data: CheckData | None = None,
        renews_locks: bool = False,
        announce: bool = True,
        adopt: Sequence[tuple[str, str]] | None = None,
        on_event: OnEvent | None = None,
    ) -> None:
        self._clock = clock
        self._token = token
        self._name = name
        self._sender = sender
        self._connect = connect_blocking
        self._observers = observers
        self._prefix = pipeline.redis.prefix
        self._renews_locks = renews_locks
        self._announces = announce
        # Isolated jobs run one at a time, whatever the queue allows.
        self._declared = (
            [replace(q, concurrency=1) for q in queues] if adopt is not None else queues
        )

        self._news = News(clock, observers, on_event)
        self._outage = Outage(clock, self._news.say)
        self._alarms = Alarms(clock)
        self._threads = Threads(f"toril-{name}")
        self._outbox = Outbox(sender, clock, self._outage)
        self._watch = LoopWatch(identify=self._find_execution, on_blocked=self._news.blocked)
        self._work = asyncio.Event()
        self._queues = {
            queue.name: self._serve(
                queue, build_plans(pipeline, queue.name, processors, resolve_secret)
            )
            for queue in self._declared
        }
        served = tuple(self._queues.values())
        preparation = Preparation(
            pipeline=pipeline,
            processors=processors,
            check_data=check_data,
            outbox=self._outbox,
            clock=clock,
            news=self._news,
        )
        launcher = Launcher(
            clock=clock,
            alarms=self._alarms,
            threads=self._threads,
            preparation=preparation,
            news=self._news,
            backoffs=backoffs,
            client=client,
            thread_client=thread_client,
        )
        self._in_hand = JobsInHand(
            served, launcher=launcher, clock=clock, news=self._news, wake_rounds=self._work.set
        )
        self._rounds = Rounds(
            sender=sender,
            clock=clock,
            token=token,
            worker=name,
            queues=served,
            deliver=self._in_hand.deliver,
            work=self._work,
            on_round=self._after_round,
            news=self._news,
            outage=self._outage,
        )
        self._rounds.may_claim = adopt is None
        self._recovery = Recovery(
            sender=sender,
            clock=clock,
            token=token,
            queues=served,
            in_hand=self._in_hand,
            wake_rounds=self._work.set,
            news=self._news,
            outage=self._outage,
        )
        self._markers = MarkerWait(
            connect=connect_blocking,
            sender=sender,
            queues=served,
            clock=clock,
            outage=self._outage,
        )
        self._isolation = (
            None
            if adopt is None
            else Isolation(
                adopt,
                queues=self._queues,
                token=token,
                worker=name,
                in_hand=self._in_hand,
                outbox=self._outbox,
                clock=clock,
            )
        )
        self._has_started = False
        self._deadline = float("inf")
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()

    @property
    def running(self) -> list[tuple[str, str, int]]:
        """What runs now: queue, job id, and when it started in ms since the epoch."""
        return [
            (execution.served.name, execution.job.id, execution.started_ms)
            for execution in self._in_hand.executions()
        ]

    async def run(self) -> None:
        """Works until `stop`, or until all adopted jobs are done.

        Raises what it cannot go on from; then its jobs stay active until someone hands them back.
        """
        if self._has_started or self._stopping.is_set():
            return
        self._has_started = True
        parts = [asyncio.create_task(part) for part in self._list_parts()]
        life = asyncio.create_task(self._live())
        pending = {life, *parts}
        try:
            while not life.done():
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            await self._close([life, *parts])
            self._ended.set()

    async def stop(self, grace_s: float) -> None:
        """Claims no more, lets running jobs finish within the grace, hands back the rest.

        Returns when `run` is over. A later call may shorten the grace, never lengthen it.
        """
        self._deadline = min(self._deadline, asyncio.get_running_loop().time() + grace_s)
        self._stopping.set()
        self._rounds.may_claim = False
        self._in_hand.is_closing = True
        self._in_hand.changed.set()
        if self._has_started:
            await self._ended.wait()

    def keep_locked(self, queue: str, still_owned: set[str], as_of_monotonic: float) -> None:
        """Takes the news of a renewal: which jobs of a queue were this worker's at that instant.

        What runs here and is not among them is cancelled. What is among them and not known here,
        twice in a row, was claimed without our hearing of it, and is looked up.
        """
        served = self._queues[queue]
        for execution in tuple(served.running.values()):
            if execution.job.id not in still_owned and execution.claimed_at < as_of_monotonic:
                self._in_hand.lose(execution)
        unknown = {job_id for job_id in still_owned if not served.knows_id(job_id)}
        if unknown & served.unknown and served.doubt is None and self._isolation is None:
            served.doubt = Doubt()
            self._recovery.look()
        served.unknown = unknown

    def _serve(self, queue: Queue, plans: Mapping[str, Any]) -> ServedQueue:
        keys = QueueKeys(self._prefix, queue.name)
        served = ServedQueue(
            queue, keys, plans, clock=self._clock, alarms=self._alarms, wake=self._work.set
        )
        served.reports = QueueReports(served, self._outbox, self._news)
        return served

    def _list_parts(self) -> list[Coroutine[Any, Any, None]]:
        """What runs beside the jobs until the end."""
        parts = [self._rounds.run_lane() for _ in range(LANES)]
        parts.append(self._recovery.run())
        if self._announces:
            keys = [served.keys for served in self._queues.values()]
            parts.append(Announcer(self._connect, keys, self._name, self._clock).run())
        if self._renews_locks:
            parts += self._keep_alone()
        return parts

    def _keep_alone(self) -> list[Coroutine[Any, Any, None]]:
        keeper = LockKeeper(
            self._sender,
            self._clock,
            self._declared,
            lambda: [self._token],
            prefix=self._prefix,
            on_renewed=lambda queue, owned, as_of: self.keep_locked(
                queue, owned[self._token], as_of
            ),
            outage=self._outage,
        )
        sweep = StalledSweep(
            self._sender,
            self._clock,
            self._declared,
            prefix=self._prefix,
            on_swept=self._on_swept,
            outage=self._outage,
        )
        return [keeper.run(), sweep.run()]

    async def _live(self) -> None:
        self._watch.start()
        queues = tuple(self._queues)
        await self._outbox.send(open_queues(self._prefix, queues))
        self._observers.notify("toril_worker_started", worker=self._name, queues=queues)
        self._work.set()
        markers = asyncio.create_task(self._markers.run())
        try:
            await self._work_until_stopped(markers)
            await self._finish()
        finally:
            markers.cancel()
            await asyncio.wait([markers])

    async def _work_until_stopped(self, markers: asyncio.Task[None]) -> None:
        stopping = asyncio.create_task(self._stopping.wait())
        waited: list[asyncio.Task[Any]] = [stopping, markers]
        if self._isolation is not None:
            waited.append(asyncio.create_task(self._isolation.run()))
        try:
            done, _ = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in waited:
                if task is not markers:
                    task.cancel()
            await asyncio.wait([task for task in waited if task is not markers])

    async def _finish(self) -> None:
        """Lets jobs end in the order that the module's docstring gives."""
        loop = asyncio.get_running_loop()
        self._rounds.may_claim = False
        self._in_hand.is_closing = True
        self._markers.close()
        await self._in_hand.wait_until(self._in_hand.is_idle, lambda: self._deadline)
        self._in_hand.stop_all()
        unwound = loop.time() + _UNWIND_S
        await self._in_hand.wait_until(self._in_hand.is_idle, lambda: unwound)
        self._in_hand.cut_off()
        settled = loop.time() + _SETTLE_S
        await self._in_hand.wait_until(self._in_hand.is_settled, lambda: settled)
        self._observers.notify("toril_worker_stopped", worker=self._name)

    async def _close(self, tasks: list[asyncio.Task[None]]) -> None:
        self._watch.stop()
        tasks = [*tasks, *(e.task for e in self._in_hand.executions() if e.task is not None)]
        for task in tasks:
            task.cancel()
        if tasks:
            done, _ = await asyncio.wait(tasks, timeout=_UNWIND_S)
            for task in done:
                # The first failure is raised by `run`; the rest only must not be said unseen.
                task.cancelled() or task.exception()
        await self._outbox.close()
        await self._alarms.close()
        self._threads.close()

    def _after_round(self) -> None:
        self._markers.refresh()
        self._recovery.look()
        self._in_hand.changed.set()

    def _on_swept(self, queue: str, swept: Swept) -> None:
        for job_id in (*swept.returned, *swept.failed):
            self._observers.notify("toril_job_stalled", queue=queue, job_id=job_id)
        if swept.returned or swept.failed:
            counts = {"returned": len(swept.returned), "failed": len(swept.failed)}
            self._news.say("jobs_stalled", {"queue": queue, **counts})

    def _find_execution(self, task: asyncio.Task[Any]) -> Execution | None:
        return next((e for e in self._in_hand.executions() if e.task is task), None)
