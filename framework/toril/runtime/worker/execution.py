"""One run of one job, from its claim to the outcome that Redis accepted."""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import TYPE_CHECKING, Any

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


class Execution:
    """The state of one run; a class with slots, because a busy worker makes thousands a second."""

    __slots__ = (
        "cancel_reason",
        "cause",
        "claimed_at",
        "deadline",
        "handle",
        "is_overdue",
        "job",
        "limit",
        "name",
        "outcome",
        "plan",
        "result",
        "send_at",
        "served",
        "started_ms",
        "task",
        "tries_alone",
    )

    def __init__(
        self,
        served: ServedQueue,
        job: ClaimedJob,
        *,
        plan: Plan | None,
        started_ms: int,
        claimed_at: float,
    ) -> None:
        self.served = served
        self.job = job
        self.name = job.name
        #: None when the job cannot run here.
        self.plan = plan
        self.started_ms = started_ms
        #: Monotonic, when the claim's reply was read.
        self.claimed_at = claimed_at
        #: None until the run has begun.
        self.task: asyncio.Task[None] | None = None
        self.handle: RunningJob | RunningThreadJob | None = None
        self.cause: Cause | None = None
        #: What it fails with if it was cancelled.
        self.cancel_reason = ""
        #: How long it may run, once that counts, and the monotonic instant when it is over.
        self.limit: TimeLimit | None = None
        self.deadline = float("inf")
        self.is_overdue = False
        #: How it ended, once it has.
        self.outcome: Settlement | None = None
        self.result: Any = None
        #: How often Redis answered its settlement alone with an error, and when to try again.
        self.tries_alone = 0
        self.send_at = 0.0

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
