"""The asyncio client: adds jobs of one pipeline, starts its flows, looks at its jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from toril.adding import (
    ADD_AGAIN_AFTER_S,
    CLOCKS_APART_MS,
    EMPTY,
    AddOptions,
    Deduplication,
    Instant,
    JobBuilder,
    list_created,
)
from toril.clock import Clock, SystemClock
from toril.declarations.names import find_named
from toril.declarations.pipeline import Pipeline
from toril.declarations.spans import Span, read_timeout_s
from toril.errors import ClientClosed, RedisUnavailable
from toril.handles.dead_letters import DeadLetters, LetterChoice
from toril.handles.job_handle import JobHandle
from toril.handles.queue_handle import QueueHandle
from toril.handles.run_handle import RunHandle
from toril.handles.schedules import Schedules
from toril.opening import DEFAULT_DIRECTORY, Server, Setup, load_setup, tell_added
from toril.outgoing import Outgoing
from toril.plugins.observers import Observers
from toril.runtime.call import Call
from toril.runtime.calls.add import Added, add_jobs
from toril.runtime.calls.jobs import Ending
from toril.runtime.chunks import cut_into_chunks
from toril.runtime.connection import check_server, connect, is_temporary, measure_offset_ms
from toril.runtime.event_readers import EventReader
from toril.runtime.events import FinishWaits
from toril.runtime.job import NewJob
from toril.runtime.keys import QueueKeys
from toril.runtime.run_control import StartedRun, find_flow, list_runs
from toril.runtime.run_start import is_large, start_in_batches
from toril.runtime.schedule_control import pause_schedule, resume_schedule, run_schedule
from toril.runtime.sender import AsyncSender
from toril.runtime.steps import walk
from toril.trees import AddedTree, JobRef, Tree, build_tree

T = TypeVar("T")


class Client:
    """Adds jobs and looks at them.

    `async with Client.from_config("pipelines") as client:` for applications, or `open` and `close`
    where these come at different places. With a `sender` it uses connections that someone else
    opened and will close; a worker gives its jobs such a client.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        sender: AsyncSender | None = None,
        clock: Clock | None = None,
        observers: Observers | None = None,
    ) -> None:
        self.pipeline = pipeline
        self.clock = clock or SystemClock()
        self._sender = sender
        self._observers = observers
        self._builder = JobBuilder(pipeline)
        #: Of the queues that were asked for: each job's handle needs them.
        self._keys: dict[str, QueueKeys] = {}
        self._outgoing = Outgoing(self._store)
        self._waits: FinishWaits | None = None
        self._setup: Setup | None = None
        self._server: Server | None = None

    @classmethod
    def from_config(cls, place: str | Path = DEFAULT_DIRECTORY) -> Client:
        """Reads the configuration in a directory; the client connects when it is opened.

        Raises ConfigurationError with every problem.
        """
        setup = load_setup(place)
        client = cls(setup.pipeline, observers=setup.make_observers())
        client._setup = setup
        return client

    async def __aenter__(self) -> Client:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Connects, starting the embedded server if that is meant; raises RedisUnavailable."""
        if self._sender is not None or self._setup is None:
            return
        server = await asyncio.to_thread(self._setup.open_server)
        redis = connect(server.url)
        sender = AsyncSender(redis)
        try:
            await check_server(redis)
            if isinstance(self.clock, SystemClock):
                self.clock.offset_ms = await measure_offset_ms(sender)
        except BaseException:
            await redis.aclose()
            await asyncio.to_thread(server.close)
            raise
        self._server = server
        self._sender = sender

    async def close(self) -> None:
        """Sends what was added, waits for hooks, and disconnects; may come twice."""
        await self._outgoing.drain()
        if self._observers is not None:
            await self._observers.drain()
        waits, self._waits = self._waits, None
        if waits is not None:
            await waits.close()
        server, self._server = self._server, None
        if server is None:
            return
        sender, self._sender = self._sender, None
        if sender is not None:
            await sender.redis.aclose()
        await asyncio.to_thread(server.close)

    async def add(
        self,
        job_type: str,
        data: Any = EMPTY,
        *,
        id: str | None = None,
        delay: Span | None = None,
        at: Instant | None = None,
        priority: int | None = None,
        lifo: bool = False,
        deduplicate: Deduplication | None = None,
    ) -> JobHandle:
        """Adds a job; it is stored when this returns.

        `data` is any JSON, `{}` if it is left out. `delay` is seconds, a duration or a timedelta,
        `at` an aware datetime or ISO 8601 text, which is read in `defaults.timezone` unless it
        names a zone. An `id` that exists adds nothing: the handle's `created` is False then.
        `deduplicate` keeps the job out while another one holds the same deduplication id: the
        handle is that other job's then, with `created` False.
        Raises UnknownName or AddError, and nothing is stored.
        """
        options = AddOptions(
            id=id, delay=delay, at=at, priority=priority, lifo=lifo, deduplicate=deduplicate
        )
        job = self._builder.build(job_type, data, options, now_ms=self.clock.now_ms())
        added = await self._outgoing.put(job)
        if added.created:
            tell_added(self._observers, [job])
        return JobHandle(self, job.queue, added.id, created=added.created)

    async def add_many(self, job_type: str, rows: Iterable[Any]) -> list[JobHandle]:
        """Adds a job for each row of data, a thousand in a round trip.

        All rows are checked before the first is stored. The handle of a row that was kept out is
        that of the job which stands for it, with `created` False.
        """
        now_ms = self.clock.now_ms()
        jobs = self._builder.build_many(job_type, rows, now_ms=now_ms)
        handles = []
        for chunk in cut_into_chunks(jobs):
            added = await self._store(chunk)
            tell_added(self._observers, list_created(chunk, added))
            handles += [
                JobHandle(self, job.queue, one.id, created=one.created)
                for job, one in zip(chunk, added, strict=True)
            ]
        return handles

    async def add_tree(self, tree: Tree, *, parent: JobRef | None = None) -> AddedTree[JobHandle]:
        """Adds a job with the jobs it waits for, all or none of them.

        With a `parent` (a handle, or the job that runs) that job waits for the tree's own. Raises
        UnknownName or AddError, and nothing is stored.
        """
        now_ms = self.clock.now_ms()
        built = build_tree(self._builder, tree, parent=parent, now_ms=now_ms)
        added = await self._store(built.jobs)
        tell_added(self._observers, built.list_created(added))
        return built.give_handles(
            added, lambda job, created: JobHandle(self, job.queue, job.id, created=created)
        )

    async def add_child(
        self,
        parent: JobRef,
        job_type: str,
        data: Any = EMPTY,
        *,
        id: str | None = None,
        delay: Span | None = None,
        at: Instant | None = None,
        priority: int | None = None,
        lifo: bool = False,
        on_failure: str = "fail",
    ) -> JobHandle:
        """Adds a job that another one waits for, there already; see `add_tree`.

        One that runs waits for it once it raises WaitForChildren. `on_failure` says what this
        job's failure means to the parent: `fail`, `ignore` (it goes on when the others have
        ended), `continue` (it goes on at once), `remove` (as if it had not been) or `wait`.
        """
        tree = Tree(
            job_type,
            data,
            on_failure=on_failure,
            id=id,
            delay=delay,
            at=at,
            priority=priority,
            lifo=lifo,
        )
        return (await self.add_tree(tree, parent=parent)).job

    async def start_flow(
        self, flow: str, inputs: Any = EMPTY, *, run_id: str | None = None
    ) -> RunHandle:
        """Starts a run of a flow; all its jobs are stored when this returns.

        A `run_id` that exists starts nothing: the handle's `created` is False then. One that a
        former start did not finish storing is finished, and started. Raises
        UnknownName, AddError or ExpressionError, and nothing is stored.
        """
        now_ms = self.clock.now_ms()
        run, jobs = self._builder.build_run(flow, inputs, run_id=run_id, now_ms=now_ms)
        if is_large(jobs):
            steps = start_in_batches(self.pipeline.redis.prefix, jobs, self.clock)
            created = await walk(steps, self._send_surely)
        else:
            created = (await self._store(jobs))[0].created
        if created:
            tell_added(self._observers, jobs)
        return RunHandle(self, self.pipeline.flows[flow], run, created=created)

    def check_data(self, job_type: str, data: Any) -> None:
        """Raises UnknownName or AddError unless a job of the type may carry the data."""
        self._builder.check_data(job_type, data)

    def job(self, queue: str, id: str) -> JobHandle:
        """Gives the handle of a job, there or not."""
        return JobHandle(self, queue, id, created=False)

    def queue(self, name: str) -> QueueHandle:
        """Gives the handle of a queue, declared or not."""
        return QueueHandle(self, name)

    async def find_run(self, run_id: str) -> RunHandle:
        """Gives the handle of a run that was started before; raises JobNotFound."""
        flow = await walk(find_flow(self.pipeline, run_id), self.send)
        return RunHandle(self, flow, run_id, created=False)

    async def list_runs(self, flow: str, *, limit: int = 20) -> list[StartedRun]:
        """Lists runs of a flow that are still there, the newest first; raises UnknownName."""
        declared = find_named("flow", flow, self.pipeline.flows)
        return await walk(list_runs(self.pipeline, declared, limit=limit), self.send)

    async def run_schedule(self, name: str) -> JobHandle:
        """Adds the job of a tick that is now; raises UnknownName. The declared ticks stay."""
        schedule = find_named("schedule", name, self.pipeline.schedules)
        job = await walk(run_schedule(self.pipeline, schedule, self.clock), self.send)
        tell_added(self._observers, [job])
        return JobHandle(self, job.queue, job.id, created=True)

    async def pause_schedule(self, name: str) -> bool:
        """Takes a declared schedule's ticks away until it is resumed, whatever is restarted.

        Gives False if it was paused before; raises UnknownName.
        """
        schedule = find_named("schedule", name, self.pipeline.schedules)
        return await walk(pause_schedule(self.pipeline, schedule), self.send)

    async def resume_schedule(self, name: str) -> int | None:
        """Has a paused schedule tick again; gives its next tick in ms, None if there is none.

        Raises UnknownName, or WrongState if it was not paused.
        """
        schedule = find_named("schedule", name, self.pipeline.schedules)
        return await walk(resume_schedule(self.pipeline, schedule, self.clock), self.send)

    def schedules(self, queue: str) -> Schedules:
        """Gives the schedules of a queue, to make, change, read and remove at run time."""
        return Schedules(self, queue)

    def dead_letters(
        self,
        queue: str | None = None,
        *,
        job: str | None = None,
        error: str | None = None,
        from_queue: str | None = None,
        older_than: Span | None = None,
        newer_than: Span | None = None,
    ) -> DeadLetters:
        """Gives the dead letters of a queue, or of all that are given any, to list and move.

        `job` is a job type's name, `error` an error's type or message; both may be globs. The
        spans say how long ago the jobs failed.
        """
        choice = LetterChoice(
            queue=queue,
            job=job,
            error=error,
            from_queue=from_queue,
            older_than=older_than,
            newer_than=newer_than,
        )
        return DeadLetters(self, choice)

    def events(self, queue: str, *, after: str | None = None) -> EventReader:
        """Gives a reader of a queue's events: from now on, or after the event of an id.

        `async for event in client.events("orders")` goes on for ever, through lost connections.
        """
        return EventReader(self, self.keys(queue), after=after)

    def keys(self, queue: str) -> QueueKeys:
        """Gives the keys of a queue, as calls take them."""
        keys = self._keys.get(queue)
        if keys is None:
            keys = self._keys[queue] = QueueKeys(self.pipeline.redis.prefix, queue)
        return keys

    def send(self, call: Call[T]) -> Coroutine[Any, Any, T]:
        """Sends a call and gives its reply; it is written before anyone waits, see AsyncSender."""
        return self._receive(self.open_sender().send(call))

    async def wait(self, queue: str, id: str, timeout: Span | None = None) -> Ending:
        """Waits until a job has finished and gives how; raises WaitTimeout or JobNotFound."""
        if self._waits is None:
            self._waits = FinishWaits(self.open_sender())
        return await self._waits.wait(self.keys(queue), id, read_timeout_s(timeout))

    def open_sender(self) -> AsyncSender:
        """Gives what sends the calls; raises ClientClosed while the client is not open."""
        if self._sender is None:
            raise ClientClosed("the client is not open; use `async with` or await `open()`")
        return self._sender

    async def _receive(self, sending: Awaitable[T]) -> T:
        try:
            return await sending
        except RedisUnavailable:
            if self._server is not None:
                await asyncio.to_thread(self._server.revive)
            raise

    def _store(self, jobs: Sequence[NewJob]) -> Coroutine[Any, Any, list[Added]]:
        """Adds jobs in one call; asks again when the reply is lost, which adds nothing twice."""
        prefix, now_ms = self.pipeline.redis.prefix, self.clock.now_ms()

        def add_again() -> Call[list[Added]]:
            since_ms = now_ms - CLOCKS_APART_MS
            return add_jobs(prefix, jobs, now_ms=self.clock.now_ms(), again_since_ms=since_ms)

        return self._send_surely(add_jobs(prefix, jobs, now_ms=now_ms), add_again)

    def _send_surely(
        self, call: Call[T], again: Callable[[], Call[T]] | None = None
    ) -> Coroutine[Any, Any, T]:
        """Sends a call that may come twice; after a lost reply again, or what `again` gives."""
        return self._make_sure(self.send(call), again or (lambda: call))

    async def _make_sure(self, sending: Awaitable[T], again: Callable[[], Call[T]]) -> T:
        for pause_s in ADD_AGAIN_AFTER_S:
            try:
                return await sending
            except RedisUnavailable as error:
                if not is_temporary(error):
                    raise
            await asyncio.sleep(pause_s)
            sending = self.send(again())
        return await sending
