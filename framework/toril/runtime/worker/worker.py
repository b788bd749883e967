"""The worker: claims jobs of its queues, runs them, settles how they ended.

Its end, in this order: no more claims; running jobs finish within the grace; the rest is cancelled
and handed back; what ended is settled; connections close.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from redis.asyncio import Redis

from toril.clock import Clock
from toril.declarations.backoff import WaitFactory
from toril.declarations.pipeline import Pipeline
from toril.declarations.queue import Queue
from toril.declarations.units import Rate
from toril.plugins.descriptors import Processor, Source
from toril.plugins.observers import Observers
from toril.runtime.calls.queues import open_queues
from toril.runtime.dead_letters import DeadLetters
from toril.runtime.flows import CheckData
from toril.runtime.keys import QueueKeys
from toril.runtime.sender import AsyncSender
from toril.runtime.ticks import BuildJob
from toril.runtime.worker.alarms import Alarms
from toril.runtime.worker.alone import look_after_itself
from toril.runtime.worker.announce import Announcer
from toril.runtime.worker.cancellations import Cancellations
from toril.runtime.worker.execution import Cause, Execution
from toril.runtime.worker.fan_out import FanOut
from toril.runtime.worker.ground import Ground
from toril.runtime.worker.in_hand import JobsInHand
from toril.runtime.worker.isolation import Isolation
from toril.runtime.worker.launcher import Launcher
from toril.runtime.worker.loop_watch import LoopWatch
from toril.runtime.worker.markers import MarkerWait
from toril.runtime.worker.news import News, OnEvent
from toril.runtime.worker.outbox import Outbox
from toril.runtime.worker.plans import build_plans
from toril.runtime.worker.preparation import Preparation
from toril.runtime.worker.processes import Processes
from toril.runtime.worker.reconnect import Outage
from toril.runtime.worker.recovery import Recovery
from toril.runtime.worker.reports import QueueReports
from toril.runtime.worker.rounds import LANES, Rounds
from toril.runtime.worker.run_ends import RunEnds
from toril.runtime.worker.served_queue import Doubt, ServedQueue
from toril.runtime.worker.step_items import StepItems
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
    against its job's schema; `sources` and `build_job` are for schedules whose ticks add a job for
    each item of a source; `processes` run the jobs that are to have one of their own. `on_event`
    takes stable names and fields, see `News` and `Outage`. `rates` are BullMQ's `limiter` of a
    worker, by queue: starts over all workers. `renews_locks` is for a worker that no supervisor
    stands beside. Without `tells_starts` there is no `job_started`, of which there may be many.
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
        processes: Processes | None = None,
        check_data: CheckData | None = None,
        sources: Mapping[str, Source] | None = None,
        build_job: BuildJob | None = None,
        renews_locks: bool = False,
        announce: bool = True,
        adopt: Sequence[tuple[str, str]] | None = None,
        rates: Mapping[str, Rate] | None = None,
        on_event: OnEvent | None = None,
        tells_starts: bool = True,
    ) -> None:
        news = News(clock, observers, on_event, tells_starts=tells_starts)
        outage = Outage(clock, news.say)
        self._ground = ground = Ground(
            prefix=pipeline.redis.prefix,
            token=token,
            worker=name,
            sender=sender,
            clock=clock,
            alarms=Alarms(clock),
            outage=outage,
            outbox=Outbox(sender, clock, outage),
            news=news,
            dead_letters=DeadLetters(pipeline),
        )
        self._run_ends = RunEnds(pipeline, sender, observers, outage)
        if observers.is_watched("toril_flow_finished"):
            news.on_step_ended = self._run_ends.note
        self._connect = connect_blocking
        self._observers = observers
        self._renews_locks = renews_locks
        self._announces = announce
        # Isolated jobs run one at a time, whatever the queue allows.
        is_alone = adopt is not None
        self._declared = [replace(q, concurrency=1) for q in queues] if is_alone else queues
        self._queues = {
            queue.name: ServedQueue(
                queue,
                QueueKeys(ground.prefix, queue.name),
                build_plans(pipeline, queue.name, processors, resolve_secret),
                clock=clock,
                alarms=ground.alarms,
                wake=ground.work.ring,
            )
            for queue in self._declared
        }
        served = tuple(self._queues.values())
        self._threads = Threads(f"toril-{name}")
        launcher = Launcher(
            ground,
            served,
            preparation=Preparation(
                ground,
                pipeline=pipeline,
                processors=processors,
                check_data=check_data,
                fan_out=FanOut(
                    ground, sources=sources or {}, build_job=build_job, threads=self._threads
                ),
                step_items=StepItems(ground, pipeline=pipeline, check_data=check_data),
            ),
            threads=self._threads,
            processes=processes,
            backoffs=backoffs,
            reports={each.name: QueueReports(ground, each) for each in served},
            client=client,
            thread_client=thread_client,
        )
        self._in_hand = JobsInHand(ground, served, launcher)
        self._recovery = Recovery(ground, served, self._in_hand, runs_unknown=not is_alone)
        self._rounds = Rounds(
            ground,
            served,
            deliver=self._in_hand.deliver,
            on_round=self._after_round,
            on_doubt=self._recovery.look,
            may_claim=not is_alone,
            rates=rates or {},
        )
        self._markers = MarkerWait(
            connect=connect_blocking,
            sender=sender,
            queues=served,
            rounds=self._rounds,
            clock=clock,
            outage=outage,
        )
        self._cancellations = Cancellations(
            ground, self._queues, self._in_hand, connect=connect_blocking
        )
        self._isolation = (
            None if adopt is None else Isolation(ground, self._queues, self._in_hand, adopts=adopt)
        )
        self._watch = LoopWatch(
            identify=self._find_execution, on_blocked=news.blocked, on_paused=news.paused
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

    def keep_locked(
        self, queues: Sequence[str], owned: Mapping[str, Sequence[str]], as_of_monotonic: float
    ) -> None:
        """Takes the news of a renewal of some queues: what this worker owned at that instant.

        What runs here and is not among them is cancelled. What is among them and not known here,
        twice in a row, was claimed without our hearing of it, and is looked up.
        """
        for name in queues:
            self._keep_locked(self._queues[name], set(owned.get(name, ())), as_of_monotonic)

    def _keep_locked(self, served: ServedQueue, still_owned: set[str], as_of: float) -> None:
        for execution in tuple(served.running.values()):
            if execution.job.id not in still_owned and execution.claimed_at < as_of:
                self._in_hand.lose(execution)
        unknown = {job_id for job_id in still_owned if not served.knows_id(job_id)}
        if unknown & served.unknown and served.doubt is None and self._isolation is None:
            served.doubt = Doubt()
            self._recovery.look()
            # A claim that stands would be in its way.
            self._ground.work.ring()
        served.unknown = unknown

    def _list_parts(self) -> list[Coroutine[Any, Any, None]]:
        """What runs beside the jobs until the end."""
        parts = [self._rounds.run_lane() for _ in range(LANES)]
        parts.append(self._recovery.run())
        parts.append(self._cancellations.run())
        if self._announces:
            keys = [served.keys for served in self._queues.values()]
            parts.append(
                Announcer(self._connect, keys, self._ground.worker, self._ground.clock).run()
            )
        if self._renews_locks:
            parts += look_after_itself(
                self._ground,
                self._declared,
                keep_locked=self.keep_locked,
                observers=self._observers,
            )
        return parts

    async def _live(self) -> None:
        self._watch.start()
        serving = asyncio.create_task(self._serve_queues())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                serving.result()
            await self._finish()
        finally:
            await _end([serving, stopping])

    async def _serve_queues(self) -> None:
        """Waits for jobs until closed; in isolation, runs what there is."""
        queues = tuple(self._queues)
        await self._ground.outbox.send(open_queues(self._ground.prefix, queues))
        self._observers.notify("toril_worker_started", worker=self._ground.worker, queues=queues)
        if self._isolation is not None:
            await self._isolation.run()
        else:
            await self._markers.run()

    async def _finish(self) -> None:
        """Lets jobs end in the order that the module's docstring gives."""
        loop = asyncio.get_running_loop()
        self._rounds.may_claim = False
        self._in_hand.is_closing = True
        self._markers.close()
        waking = asyncio.create_task(self._markers.put_back())
        await self._in_hand.wait_until(self._in_hand.is_idle, lambda: self._deadline)
        self._in_hand.stop_all()
        unwound = loop.time() + _UNWIND_S
        await self._in_hand.wait_until(self._in_hand.is_idle, lambda: unwound)
        self._in_hand.cut_off()
        settled = loop.time() + _SETTLE_S
        await self._in_hand.wait_until(self._in_hand.is_settled, lambda: settled)
        with suppress(TimeoutError):
            async with asyncio.timeout_at(settled):
                await waking
        self._observers.notify("toril_worker_stopped", worker=self._ground.worker)

    async def _close(self, parts: list[asyncio.Task[None]]) -> None:
        self._watch.stop()
        executions = list(self._in_hand.executions())
        for execution in executions:
            execution.stop(Cause.STOPPING)
        await _end([*parts, *(each.task for each in executions if each.task is not None)])
        await self._run_ends.close()
        await self._ground.outbox.close()
        await self._ground.alarms.close()
        self._threads.close()

    def _after_round(self) -> None:
        self._markers.refresh()
        self._in_hand.changed.set()

    def _find_execution(self, task: asyncio.Task[Any]) -> Execution | None:
        return next((e for e in self._in_hand.executions() if e.task is task), None)


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancels tasks and waits for them, though not for those that would not end."""
    for task in tasks:
        task.cancel()
    if tasks:
        done, _ = await asyncio.wait(tasks, timeout=_UNWIND_S)
        for task in done:
            # The first failure is raised by `run`; the others are seen too, and that is all.
            if not task.cancelled():
                task.exception()
