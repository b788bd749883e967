"""What a processor sees of the job it runs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol


class Job(Protocol):
    """The running job, for coroutine processors.

    A plain `def` processor is given a `ThreadJob`: the same names, blocking.
    """

    id: str
    #: The job type's name.
    name: str
    queue: str
    #: The input, JSON.
    data: Any
    #: Which attempt this is, 1 for the first.
    attempt: int
    #: How many attempts are allowed in all.
    attempts: int
    priority: int
    added_at: datetime
    #: When it was due: the same as `added_at` unless it was delayed or scheduled.
    scheduled_at: datetime
    #: The schedule's tick it belongs to, or None.
    tick: datetime | None
    #: The run of the flow it is a step of, or None.
    flow: str | None
    #: Grows with every start of the job; lets a resource refuse a stale owner.
    fence: int
    #: Results of the needed steps by step name, or of children by job id (`QUEUE:ID` where one id
    #: is that of several).
    results: Mapping[str, Any]
    #: Set when the job should stop: lock lost, or the worker is shutting down hard.
    cancelled: asyncio.Event
    #: Adds other jobs: a `toril.Client`.
    client: Any

    def result_of(self, step: str) -> Any:
        """Gives a needed step's result; raises KeyError for a step that is not needed."""
        ...

    async def progress(self, value: Any) -> None:
        """Stores how far it is: a number, usually of 100, or any JSON."""
        ...

    async def log(self, line: str) -> None:
        """Adds a line to the job's log."""
        ...

    async def update_data(self, data: Any) -> None:
        """Replaces the job's data, for this and later attempts."""
        ...

    async def step(self, name: str, function: Callable[[], Any]) -> Any:
        """Runs a function once in the job's life, and gives its result each time.

        The result, JSON, is kept with the job: an attempt that comes after it, on any host, is
        given it without running the function again. The function may be a coroutine function or a
        plain one; if it raises, nothing is kept. A crash between its end and the keeping runs it
        again. Raises LockLost if the job was started elsewhere meanwhile, InvalidData for what is
        no JSON or larger than 1 MiB, and RuntimeError for a step within itself.
        """
        ...

    async def add_child(
        self,
        job_type: str,
        data: Any = ...,
        *,
        id: str | None = None,
        delay: float | str | timedelta | None = None,
        at: datetime | str | None = None,
        priority: int | None = None,
        lifo: bool = False,
        on_failure: str = "fail",
    ) -> Any:
        """Adds a job that this one can wait for, by raising WaitForChildren; gives its handle.

        `on_failure` says what the child's failure means to this job: `fail`, `ignore`, `continue`,
        `remove` or `wait`. An `id` makes a repeated attempt add nothing twice.
        """
        ...

    async def add_tree(self, tree: Any) -> Any:
        """Adds a `toril.Tree` of jobs whose root this one can wait for; gives its handles."""
        ...

    async def ignored_failures(self) -> Mapping[str, str]:
        """Gives why children failed that this job goes on without, by their ids."""
        ...

    async def remove_pending_children(self) -> int:
        """Removes the children that have not begun, and gives how many jobs went.

        For a job that goes on at once when a child failed (`on_failure: continue`): it completes
        once none is pending.
        """
        ...


class ThreadJob(Protocol):
    """The running job, for plain functions: as `Job`, but the methods block."""

    id: str
    name: str
    queue: str
    data: Any
    attempt: int
    attempts: int
    priority: int
    added_at: datetime
    scheduled_at: datetime
    tick: datetime | None
    flow: str | None
    fence: int
    results: Mapping[str, Any]
    cancelled: threading.Event
    client: Any

    def result_of(self, step: str) -> Any: ...

    def progress(self, value: Any) -> None: ...

    def log(self, line: str) -> None: ...

    def update_data(self, data: Any) -> None: ...

    def step(self, name: str, function: Callable[[], Any]) -> Any: ...

    def add_child(
        self,
        job_type: str,
        data: Any = ...,
        *,
        id: str | None = None,
        delay: float | str | timedelta | None = None,
        at: datetime | str | None = None,
        priority: int | None = None,
        lifo: bool = False,
        on_failure: str = "fail",
    ) -> Any: ...

    def add_tree(self, tree: Any) -> Any: ...

    def ignored_failures(self) -> Mapping[str, str]: ...

    def remove_pending_children(self) -> int: ...
