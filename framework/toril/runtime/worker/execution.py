"""One run of one job, from its claim to the outcome that Redis accepted."""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import TYPE_CHECKING, Any

import msgspec

from toril.runtime.job import ClaimedJob
from toril.runtime.outcomes import Settlement
from toril.runtime.worker.handles import RunningJob, RunningThreadJob
from toril.runtime.worker.lifetime import TimeLimit
from toril.runtime.worker.plans import Plan

if TYPE_CHECKING:
    from toril.runtime.worker.served_queue import ServedQueue


class Cause(Enum):
    """Why the worker itself stopped a run."""

    #: The job belongs to someone else; whatever this run gives is refused.
    LOST = "lost"
    #: Somebody cancelled the job; it fails when its run has ended.
    CANCELLED = "cancelled"
    #: It runs longer than it may; the attempt has failed.
    TIMED_OUT = "timed out"
    #: The worker ends; the job goes back to the front of its line.
    STOPPING = "stopping"


class Execution(msgspec.Struct, kw_only=True, eq=False):
    """The state of one run; a struct, because a busy worker makes thousands a second."""

    served: ServedQueue
    job: ClaimedJob
    #: None when the job cannot run here.
    plan: Plan | None
    started_ms: int
    #: Monotonic, when the claim's reply was read.
    claimed_at: float
    #: None until the run has begun.
    task: asyncio.Task[None] | None = None
    handle: RunningJob | RunningThreadJob | None = None
    cause: Cause | None = None
    #: What it fails with if it was cancelled.
    cancel_reason: str = ""
    #: How long it may run, once that counts, and the monotonic instant when it is over.
    limit: TimeLimit | None = None
    deadline: float = float("inf")
    is_overdue: bool = False
    #: How it ended, once it has.
    outcome: Settlement | None = None
    result: Any = None
    #: How often Redis answered its settlement alone with an error, and when to try again.
    tries_alone: int = 0
    send_at: float = 0.0

    @property
    def name(self) -> str:
        """Its job type's."""
        return self.job.name

    @property
    def attempt(self) -> int:
        """Which attempt it is, 1 for the first."""
        return self.job.attempts_made + 1

    def stop(self, cause: Cause, reason: str = "") -> None:
        """Tells the processor to stop; a coroutine is cancelled, a thread can only look.

        A run that has not begun only finds the cause: a task cancelled before its first step would
        end without a word.
        """
        if self.outcome is not None or self.cause is Cause.LOST:
            return
        if self.cause is not Cause.TIMED_OUT or cause is not Cause.STOPPING:
            self.cause, self.cancel_reason = cause, reason
        if self.handle is not None:
            self.handle.cancel()
        if self.task is not None and not isinstance(self.handle, RunningThreadJob):
            self.task.cancel()
