"""What a processor sees of its job: `RunningJob` on the loop, `RunningThreadJob` in a thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from toril.declarations.job_type import Retry
from toril.runtime.codec import to_integer
from toril.runtime.job import ClaimedJob
from toril.runtime.own_fields import RUN
from toril.runtime.schedules import read_tick_ms
from toril.runtime.worker.decide import allowed_attempts
from toril.runtime.worker.durable_steps import DurableStep, DurableSteps

T = TypeVar("T")

#: The data of a child that is added without any.
_EMPTY: dict[str, Any] = {}


class Reports(Protocol):
    """Where a job's handle sends what the job tells."""

    async def progress(self, job: ClaimedJob, value: Any) -> None: ...

    async def log(self, job: ClaimedJob, line: str) -> None: ...

    async def update_data(self, job: ClaimedJob, data: Any) -> None: ...

    async def keep_step(self, job: ClaimedJob, name: str, result: Any) -> Any: ...

    async def ignored_failures(self, job: ClaimedJob) -> dict[str, str]: ...

    async def remove_pending_children(self, job: ClaimedJob) -> int: ...


class _Facts:
    """What both handles show; read once, computed when asked for."""

    __slots__ = (
        "_cancelled",
        "_job",
        "_reports",
        "_retry",
        "_steps",
        "client",
        "data",
        "has_added_children",
        "results",
    )

    def __init__(
        self,
        job: ClaimedJob,
        *,
        data: Any,
        retry: Retry,
        results: Mapping[str, Any],
        client: Any,
        reports: Reports,
    ) -> None:
        self._job = job
        self._reports = reports
        self.data = data
        self._retry = retry
        self.results = results
        self.client = client
        #: Whether this run added any, or tried to.
        self.has_added_children = False
        self._steps: DurableSteps | None = None
        #: Of a coroutine; made when somebody asks for it.
        self._cancelled: asyncio.Event | None = None

    @property
    def id(self) -> str:
        return self._job.id

    @property
    def name(self) -> str:
        return self._job.name

    @property
    def queue(self) -> str:
        return self._job.queue

    @property
    def attempt(self) -> int:
        return self._job.attempts_made + 1

    @property
    def attempts(self) -> int:
        return allowed_attempts(self._job, self._retry)

    @property
    def priority(self) -> int:
        return self._job.priority

    @property
    def fence(self) -> int:
        return self._job.attempts_started

    @property
    def added_at(self) -> datetime:
        return _instant(self._job.timestamp_ms)

    @property
    def scheduled_at(self) -> datetime:
        tick = self.tick
        if tick is not None:
            return tick
        # The hash's own `delay` is that of the last backoff, or 0 once promoted.
        delay_ms = self._job.opts.get("delay")
        late_ms = to_integer(delay_ms) if isinstance(delay_ms, int | float) else 0
        return _instant(self._job.timestamp_ms + late_ms)

    @property
    def tick(self) -> datetime | None:
        tick_ms = read_tick_ms(self._job)
        return None if tick_ms is None else _instant(tick_ms)

    @property
    def flow(self) -> str | None:
        return self._job.own.get(RUN)

    def _enter_step(self, name: str) -> AbstractContextManager[DurableStep]:
        if self._steps is None:
            self._steps = DurableSteps(self._job)
        return self._steps.entered(name)

    def result_of(self, step: str) -> Any:
        """Gives a needed step's result; raises KeyError for a step that is not needed."""
        try:
            return self.results[step]
        except KeyError:
            known = ", ".join(sorted(self.results)) or "none"
            raise KeyError(f"no result of {step!r} for this job; there are: {known}") from None


class RunningJob(_Facts):
    """The handle of a coroutine processor (`toril.Job`)."""

    __slots__ = ()

    @property
    def cancelled(self) -> asyncio.Event:
        """Set when the job should stop."""
        if self._cancelled is None:
            self._cancelled = asyncio.Event()
        return self._cancelled

    def cancel(self) -> None:
        """Tells the processor to stop; called by the worker on the loop."""
        self.cancelled.set()

    async def progress(self, value: Any) -> None:
        """Stores how far it is: a number, usually of 100, or any JSON."""
        await self._reports.progress(self._job, value)

    async def log(self, line: str) -> None:
        """Adds a line to the job's log."""
        await self._reports.log(self._job, line)

    async def update_data(self, data: Any) -> None:
        """Replaces the job's data, for this and later attempts."""
        await self._reports.update_data(self._job, data)
        self.data = data

    async def step(self, name: str, function: Callable[[], Any]) -> Any:
        """Gives the kept result of a step, or runs and keeps it; see `toril.Job.step`."""
        with self._enter_step(name) as step:
            if not step.is_kept:
                result = function()
                result = await result if inspect.isawaitable(result) else result
                step.keep(await self._reports.keep_step(self._job, name, result))
            return step.result

    async def add_child(self, job_type: str, data: Any = _EMPTY, **options: Any) -> Any:
        """Adds a job that this one can wait for; `options` as in `Client.add_child`."""
        self.has_added_children = True
        return await self.client.add_child(self, job_type, data, **options)

    async def add_tree(self, tree: Any) -> Any:
        """Adds a `toril.Tree` of jobs whose root this one can wait for."""
        self.has_added_children = True
        return await self.client.add_tree(tree, parent=self)

    async def ignored_failures(self) -> dict[str, str]:
        """Gives why children failed that this job goes on without, by their ids."""
        return await self._reports.ignored_failures(self._job)

    async def remove_pending_children(self) -> int:
        """Removes the children that have not begun, and gives how many jobs went."""
        return await self._reports.remove_pending_children(self._job)


class RunningThreadJob(_Facts):
    """The handle of a plain function: the same names, blocking."""

    __slots__ = ("_loop", "cancelled")

    def __init__(self, job: ClaimedJob, **facts: Any) -> None:
        super().__init__(job, **facts)
        self._loop = asyncio.get_running_loop()
        self.cancelled = threading.Event()

    def cancel(self) -> None:
        """Tells the processor to stop; called by the worker on the loop."""
        self.cancelled.set()

    def progress(self, value: Any) -> None:
        """Stores how far it is: a number, usually of 100, or any JSON."""
        self._wait(self._reports.progress(self._job, value))

    def log(self, line: str) -> None:
        """Adds a line to the job's log."""
        self._wait(self._reports.log(self._job, line))

    def update_data(self, data: Any) -> None:
        """Replaces the job's data, for this and later attempts."""
        self._wait(self._reports.update_data(self._job, data))
        self.data = data

    def step(self, name: str, function: Callable[[], Any]) -> Any:
        """Gives the kept result of a step, or runs and keeps it; see `toril.Job.step`."""
        with self._enter_step(name) as step:
            if not step.is_kept:
                result = function()
                result = self._wait(_finish(result)) if inspect.isawaitable(result) else result
                step.keep(self._wait(self._reports.keep_step(self._job, name, result)))
            return step.result

    def add_child(self, job_type: str, data: Any = _EMPTY, **options: Any) -> Any:
        """Adds a job that this one can wait for; `options` as in `Client.add_child`."""
        self.has_added_children = True
        return self.client.add_child(self, job_type, data, **options)

    def add_tree(self, tree: Any) -> Any:
        """Adds a `toril.Tree` of jobs whose root this one can wait for."""
        self.has_added_children = True
        return self.client.add_tree(tree, parent=self)

    def ignored_failures(self) -> dict[str, str]:
        """Gives why children failed that this job goes on without, by their ids."""
        return self._wait(self._reports.ignored_failures(self._job))

    def remove_pending_children(self) -> int:
        """Removes the children that have not begun, and gives how many jobs went."""
        return self._wait(self._reports.remove_pending_children(self._job))

    def _wait(self, sending: Coroutine[Any, Any, T]) -> T:
        future: concurrent.futures.Future[T]
        future = asyncio.run_coroutine_threadsafe(sending, self._loop)
        return future.result()


async def _finish(running: Awaitable[T]) -> T:
    return await running


def _instant(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
