"""The asyncio client: adds jobs of one pipeline, starts its flows, looks at its jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
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
    Span,
    cut_into_chunks,
    describe_failed_run,
    read_result,
    read_timeout_s,
)
from toril.clock import Clock, SystemClock
from toril.declarations.flow import Flow
from toril.declarations.pipeline import Pipeline
from toril.errors import JobNotFound, RedisUnavailable
from toril.handles.job_changes import JobChanges
from toril.handles.job_family import JobFamily
from toril.handles.queue_handle import QueueHandle
from toril.handles.schedules import Schedules
from toril.opening import DEFAULT_DIRECTORY, Server, Setup, load_setup, tell_added
from toril.outgoing import Outgoing
from toril.plugins.observers import Observers
from toril.runtime.call import Call
from toril.runtime.calls import jobs as job_calls
from toril.runtime.calls.add import Added, add_jobs
from toril.runtime.calls.jobs import Ending
from toril.runtime.calls.removal import unlink_child
from toril.runtime.connection import check_server, connect, is_temporary, measure_offset_ms
from toril.runtime.event_readers import EventReader
from toril.runtime.events import FinishWaits
from toril.runtime.flows import step_job_id
from toril.runtime.job import NewJob, StoredJob
from toril.runtime.keys import QueueKeys
from toril.runtime.removal import remove_family, remove_pending_children
from toril.runtime.runs import RunView, read_run
from toril.runtime.sender import AsyncSender
from toril.runtime.states import JobState
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
        try:
            await check_server(redis)
            if isinstance(self.clock, SystemClock):
                self.clock.offset_ms = await measure_offset_ms(redis)
        except BaseException:
            await redis.aclose()
            await asyncio.to_thread(server.close)
            raise
        self._server = server
        self._sender = AsyncSender(redis)

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

        All rows are checked before the first is stored.
        """
        now_ms = self.clock.now_ms()
        jobs = [self._builder.build(job_type, row, now_ms=now_ms) for row in rows]
        for chunk in cut_into_chunks(jobs):
            await self._store(chunk)
            tell_added(self._observers, chunk)
        return [JobHandle(self, job.queue, job.id, created=True) for job in jobs]

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

        A `run_id` that exists starts nothing: the handle's `created` is False then. Raises
        UnknownName, AddError or ExpressionError, and nothing is stored.
        """
        now_ms = self.clock.now_ms()
        run, jobs = self._builder.build_run(flow, inputs, run_id=run_id, now_ms=now_ms)
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

    def schedules(self, queue: str) -> Schedules:
        """Gives the schedules of a queue, to make, change, read and remove at run time."""
        return Schedules(self, queue)

    def events(self, queue: str, *, after: str | None = None) -> EventReader:
        """Gives a reader of a queue's events: from now on, or after the event of an id.

        `async for event in client.events("orders")` goes on for ever, through lost connections.
        """
        return EventReader(self, self.keys(queue), after=after)

    def keys(self, queue: str) -> QueueKeys:
        """Gives the keys of a queue, as calls take them."""
        return QueueKeys(self.pipeline.redis.prefix, queue)

    async def send(self, call: Call[T]) -> T:
        """Sends a call and gives its reply."""
        try:
            return await self.open_sender().send(call)
        except RedisUnavailable:
            await self._revive()
            raise

    async def wait(self, queue: str, id: str, timeout: Span | None = None) -> Ending:
        """Waits until a job has finished and gives how; raises WaitTimeout or JobNotFound."""
        if self._waits is None:
            self._waits = FinishWaits(self.open_sender())
        return await self._waits.wait(self.keys(queue), id, read_timeout_s(timeout))

    def open_sender(self) -> AsyncSender:
        """Gives what sends the calls; raises RedisUnavailable while the client is not open."""
        if self._sender is None:
            raise RedisUnavailable("the client is not open; use `async with` or await `open()`")
        return self._sender

    async def _revive(self) -> None:
        if self._server is not None:
            await asyncio.to_thread(self._server.revive)

    async def _store(self, jobs: Sequence[NewJob]) -> list[Added]:
        """Adds jobs in one call; asks again when the reply is lost, which adds nothing twice."""
        prefix, now_ms = self.pipeline.redis.prefix, self.clock.now_ms()
        call = add_jobs(prefix, jobs, now_ms=now_ms)
        for pause_s in ADD_AGAIN_AFTER_S:
            try:
                return await self.send(call)
            except RedisUnavailable as error:
                if not is_temporary(error):
                    raise
            await asyncio.sleep(pause_s)
            since_ms = now_ms - CLOCKS_APART_MS
            call = add_jobs(prefix, jobs, now_ms=self.clock.now_ms(), again_since_ms=since_ms)
        return await self.send(call)


class JobHandle(JobChanges, JobFamily):
    """One job, wherever it is by now."""

    __slots__ = ("_client", "_keys", "created", "id", "queue")

    _client: Client

    def __init__(self, client: Client, queue: str, job_id: str, *, created: bool) -> None:
        self._client = client
        self._keys = client.keys(queue)
        self.queue = queue
        self.id = job_id
        #: Whether this `add` stored it, rather than finding the id there.
        self.created = created

    def __repr__(self) -> str:
        return f"JobHandle(queue={self.queue!r}, id={self.id!r})"

    async def result(self, timeout: Span | None = None) -> Any:
        """Waits until it has finished and gives its result, also when the job itself is not kept.

        Raises JobFailed, WaitTimeout, or JobNotFound if it is not there or removed meanwhile.
        """
        ending = await self._client.wait(self.queue, self.id, timeout)
        return read_result(ending, self.queue, self.id)

    async def wait(self, timeout: Span | None = None) -> Ending:
        """Waits until it has finished, well or badly, and gives how.

        Raises WaitTimeout, or JobNotFound if it is not there or removed meanwhile.
        """
        return await self._client.wait(self.queue, self.id, timeout)

    async def state(self) -> JobState:
        """Gives its state, `unknown` if it is not there (any more)."""
        try:
            return (await self._client.send(job_calls.read_state(self._keys, self.id))).state
        except JobNotFound:
            return JobState.UNKNOWN

    async def refresh(self) -> StoredJob:
        """Reads the job as it is now; raises JobNotFound."""
        job = await self._client.send(job_calls.read_job(self._keys, self.id))
        if job is None:
            raise JobNotFound(f"no job {self.id!r} in queue {self.queue!r}")
        return job

    async def progress(self) -> Any:
        """Gives what it last told of how far it is, 0 before that; raises JobNotFound."""
        return (await self.refresh()).progress

    async def remove(self, *, with_children: bool = True) -> int:
        """Removes it with all below it, and gives how many jobs that were.

        Up to a thousand go at one instant, more in a row of calls. Raises JobNotFound, or
        WrongState when it or a job below it is active.
        """
        steps = remove_family(self._keys, self.id, with_children=with_children)
        return await walk(steps, self._client.send)

    async def remove_pending_children(self) -> int:
        """Removes the children that have not ended and do not run; gives how many jobs went.

        If it waited for them alone it goes on. Raises JobNotFound.
        """
        return await walk(remove_pending_children(self._keys, self.id), self._client.send)

    async def unlink_from_parent(self) -> bool:
        """Makes it a job that no other waits for; gives False if none did. Raises JobNotFound."""
        return await self._client.send(unlink_child(self._keys, self.id))


class RunHandle:
    """One run of a flow."""

    __slots__ = ("_client", "_flow", "_last", "created", "run")

    def __init__(self, client: Client, flow: Flow, run: str, *, created: bool) -> None:
        self._client = client
        self._flow = flow
        queue = client.pipeline.jobs[flow.last_step.job].queue
        self._last = JobHandle(
            client, queue, step_job_id(run, flow.last_step.name), created=created
        )
        #: The run's id.
        self.run = run
        #: Whether this `start_flow` started it, rather than finding the id there.
        self.created = created

    def __repr__(self) -> str:
        return f"RunHandle(flow={self._flow.name!r}, run={self.run!r})"

    async def result(self, timeout: Span | None = None) -> Any:
        """Waits until it has finished and gives its last step's result.

        Raises JobFailed with the step that failed, WaitTimeout, or JobNotFound.
        """
        view = await self.wait(timeout)
        if view.state == "failed":
            raise describe_failed_run(view)
        return view.steps[self._flow.last_step.name].result

    async def wait(self, timeout: Span | None = None) -> RunView:
        """Waits until it has finished, well or badly, and gives how it stands then."""
        last = self._last
        ending = await self._client.wait(last.queue, last.id, timeout)
        return await self._read(ending)

    async def state(self) -> RunView:
        """Gives how it stands, step by step; raises JobNotFound if nothing of it is left."""
        return await self._read(None)

    async def _read(self, ending: Ending | None) -> RunView:
        client = self._client
        return await read_run(
            client.open_sender(), client.pipeline, self._flow, self.run, ending=ending
        )
