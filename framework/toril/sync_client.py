"""The blocking client: the same as `toril.client` without await, for scripts and web views."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
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
from toril.errors import RedisUnavailable
from toril.handles.dead_letters import LetterChoice, SyncDeadLetters
from toril.handles.schedules import SyncSchedules
from toril.handles.sync_job_handle import SyncJobHandle
from toril.handles.sync_queue_handle import SyncQueueHandle
from toril.handles.sync_run_handle import SyncRunHandle
from toril.opening import DEFAULT_DIRECTORY, Server, load_setup, tell_added
from toril.plugins.observers import Observers
from toril.runtime.call import Call
from toril.runtime.calls.add import Added, add_jobs
from toril.runtime.calls.jobs import Ending
from toril.runtime.chunks import cut_into_chunks
from toril.runtime.connection import (
    check_server_sync,
    connect_sync,
    is_temporary,
    measure_offset_ms_sync,
)
from toril.runtime.event_readers import SyncEventReader
from toril.runtime.events import wait_until_finished_sync
from toril.runtime.job import NewJob
from toril.runtime.keys import QueueKeys
from toril.runtime.run_control import StartedRun, find_flow, list_runs
from toril.runtime.run_start import is_large, start_in_batches
from toril.runtime.schedule_control import pause_schedule, resume_schedule, run_schedule
from toril.runtime.steps import walk_sync
from toril.runtime.sync_sender import SyncSender
from toril.trees import AddedTree, JobRef, Tree, build_tree

T = TypeVar("T")


class SyncClient:
    """Adds jobs and looks at them; any number of threads may share one.

    `with SyncClient.from_config("pipelines") as client:`, or `close` where the end comes at another
    place. With a `sender` it uses connections that someone else opened and will close.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        sender: SyncSender,
        clock: Clock | None = None,
        observers: Observers | None = None,
    ) -> None:
        self.pipeline = pipeline
        self.clock = clock or SystemClock()
        self.sender = sender
        self._observers = observers
        self._builder = JobBuilder(pipeline)
        #: Of the queues that were asked for: each job's handle needs them.
        self._keys: dict[str, QueueKeys] = {}
        self._server: Server | None = None

    @classmethod
    def from_config(cls, place: str | Path = DEFAULT_DIRECTORY) -> SyncClient:
        """Reads the configuration in a directory and connects.

        Raises ConfigurationError with every problem, or RedisUnavailable.
        """
        setup = load_setup(place)
        server = setup.open_server()
        redis = connect_sync(server.url)
        clock = SystemClock()
        try:
            check_server_sync(redis)
            clock.offset_ms = measure_offset_ms_sync(redis)
        except BaseException:
            redis.close()
            server.close()
            raise
        client = cls(
            setup.pipeline,
            sender=SyncSender(redis),
            clock=clock,
            observers=setup.make_observers(),
        )
        client._server = server
        return client

    def __enter__(self) -> SyncClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Disconnects, if the client connected itself; may come twice."""
        server, self._server = self._server, None
        if server is not None:
            self.sender.redis.close()
            server.close()

    def add(
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
    ) -> SyncJobHandle:
        """Adds a job; see `Client.add`."""
        options = AddOptions(
            id=id, delay=delay, at=at, priority=priority, lifo=lifo, deduplicate=deduplicate
        )
        job = self._builder.build(job_type, data, options, now_ms=self.clock.now_ms())
        (added,) = self._store([job])
        if added.created:
            tell_added(self._observers, [job])
        return SyncJobHandle(self, job.queue, added.id, created=added.created)

    def add_many(self, job_type: str, rows: Iterable[Any]) -> list[SyncJobHandle]:
        """Adds a job for each row of data, a thousand in a round trip; see `Client.add_many`."""
        now_ms = self.clock.now_ms()
        jobs = self._builder.build_many(job_type, rows, now_ms=now_ms)
        handles = []
        for chunk in cut_into_chunks(jobs):
            added = self._store(chunk)
            tell_added(self._observers, list_created(chunk, added))
            handles += [
                SyncJobHandle(self, job.queue, one.id, created=one.created)
                for job, one in zip(chunk, added, strict=True)
            ]
        return handles

    def add_tree(self, tree: Tree, *, parent: JobRef | None = None) -> AddedTree[SyncJobHandle]:
        """Adds a job with the jobs it waits for; see `Client.add_tree`."""
        now_ms = self.clock.now_ms()
        built = build_tree(self._builder, tree, parent=parent, now_ms=now_ms)
        added = self._store(built.jobs)
        tell_added(self._observers, built.list_created(added))
        return built.give_handles(
            added, lambda job, created: SyncJobHandle(self, job.queue, job.id, created=created)
        )

    def add_child(
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
    ) -> SyncJobHandle:
        """Adds a job that another one waits for; see `Client.add_child`."""
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
        return (self.add_tree(tree, parent=parent)).job

    def start_flow(
        self, flow: str, inputs: Any = EMPTY, *, run_id: str | None = None
    ) -> SyncRunHandle:
        """Starts a run of a flow; see `Client.start_flow`."""
        now_ms = self.clock.now_ms()
        run, jobs = self._builder.build_run(flow, inputs, run_id=run_id, now_ms=now_ms)
        if is_large(jobs):
            steps = start_in_batches(self.pipeline.redis.prefix, jobs, self.clock)
            created = walk_sync(steps, self._send_surely)
        else:
            created = self._store(jobs)[0].created
        if created:
            tell_added(self._observers, jobs)
        return SyncRunHandle(self, self.pipeline.flows[flow], run, created=created)

    def check_data(self, job_type: str, data: Any) -> None:
        """Raises UnknownName or AddError unless a job of the type may carry the data."""
        self._builder.check_data(job_type, data)

    def job(self, queue: str, id: str) -> SyncJobHandle:
        """Gives the handle of a job, there or not."""
        return SyncJobHandle(self, queue, id, created=False)

    def queue(self, name: str) -> SyncQueueHandle:
        """Gives the handle of a queue, declared or not."""
        return SyncQueueHandle(self, name)

    def find_run(self, run_id: str) -> SyncRunHandle:
        """Gives the handle of a run that was started before; raises JobNotFound."""
        flow = walk_sync(find_flow(self.pipeline, run_id), self.send)
        return SyncRunHandle(self, flow, run_id, created=False)

    def list_runs(self, flow: str, *, limit: int = 20) -> list[StartedRun]:
        """Lists runs of a flow that are still there, the newest first; raises UnknownName."""
        declared = find_named("flow", flow, self.pipeline.flows)
        return walk_sync(list_runs(self.pipeline, declared, limit=limit), self.send)

    def run_schedule(self, name: str) -> SyncJobHandle:
        """Adds the job of a tick that is now; raises UnknownName. The declared ticks stay."""
        schedule = find_named("schedule", name, self.pipeline.schedules)
        job = walk_sync(run_schedule(self.pipeline, schedule, self.clock), self.send)
        tell_added(self._observers, [job])
        return SyncJobHandle(self, job.queue, job.id, created=True)

    def pause_schedule(self, name: str) -> bool:
        """Takes a declared schedule's ticks away until it is resumed, whatever is restarted.

        Gives False if it was paused before; raises UnknownName.
        """
        schedule = find_named("schedule", name, self.pipeline.schedules)
        return walk_sync(pause_schedule(self.pipeline, schedule), self.send)

    def resume_schedule(self, name: str) -> int | None:
        """Has a paused schedule tick again; gives its next tick in ms, None if there is none.

        Raises UnknownName, or WrongState if it was not paused.
        """
        schedule = find_named("schedule", name, self.pipeline.schedules)
        return walk_sync(resume_schedule(self.pipeline, schedule, self.clock), self.send)

    def schedules(self, queue: str) -> SyncSchedules:
        """Gives the schedules of a queue; see `Client.schedules`."""
        return SyncSchedules(self, queue)

    def dead_letters(
        self,
        queue: str | None = None,
        *,
        job: str | None = None,
        error: str | None = None,
        from_queue: str | None = None,
        older_than: Span | None = None,
        newer_than: Span | None = None,
    ) -> SyncDeadLetters:
        """Gives the dead letters of a queue, or of all; see `Client.dead_letters`."""
        choice = LetterChoice(
            queue=queue,
            job=job,
            error=error,
            from_queue=from_queue,
            older_than=older_than,
            newer_than=newer_than,
        )
        return SyncDeadLetters(self, choice)

    def events(self, queue: str, *, after: str | None = None) -> SyncEventReader:
        """Gives a reader of a queue's events: from now on, or after the event of an id.

        `for event in client.events("orders")` goes on for ever, through lost connections.
        """
        return SyncEventReader(self, self.keys(queue), after=after)

    def keys(self, queue: str) -> QueueKeys:
        """Gives the keys of a queue, as calls take them."""
        keys = self._keys.get(queue)
        if keys is None:
            keys = self._keys[queue] = QueueKeys(self.pipeline.redis.prefix, queue)
        return keys

    def send(self, call: Call[T]) -> T:
        """Sends a call and gives its reply."""
        try:
            return self.sender.send(call)
        except RedisUnavailable:
            if self._server is not None:
                self._server.revive()
            raise

    def wait(self, queue: str, id: str, timeout: Span | None = None) -> Ending:
        """Waits until a job has finished and gives how; raises WaitTimeout or JobNotFound."""
        timeout_s = read_timeout_s(timeout)
        return wait_until_finished_sync(self.sender, self.keys(queue), id, timeout_s)

    def _store(self, jobs: Sequence[NewJob]) -> list[Added]:
        """Adds jobs in one call; asks again when the reply is lost, which adds nothing twice."""
        prefix, now_ms = self.pipeline.redis.prefix, self.clock.now_ms()

        def add_again() -> Call[list[Added]]:
            since_ms = now_ms - CLOCKS_APART_MS
            return add_jobs(prefix, jobs, now_ms=self.clock.now_ms(), again_since_ms=since_ms)

        return self._send_surely(add_jobs(prefix, jobs, now_ms=now_ms), add_again)

    def _send_surely(self, call: Call[T], again: Callable[[], Call[T]] | None = None) -> T:
        """Sends a call that may come twice; after a lost reply again, or what `again` gives."""
        for pause_s in ADD_AGAIN_AFTER_S:
            try:
                return self.send(call)
            except RedisUnavailable as error:
                if not is_temporary(error):
                    raise
            time.sleep(pause_s)
            call = call if again is None else again()
        return self.send(call)
