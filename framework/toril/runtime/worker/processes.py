"""Jobs in processes of their own: what a worker asks of whoever runs them, how they end badly."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from toril.runtime.job import ClaimedJob
from toril.runtime.outcomes import Settlement
from toril.runtime.worker.handles import Reports
from toril.runtime.worker.plans import Plan


class ProcessCrashed(RuntimeError):
    """The process that ran the job died, or could not be started; the job lost an attempt."""


class MemoryLimitExceeded(MemoryError):
    """The process that ran the job held more memory than `max_memory`, and was killed."""


@dataclass(frozen=True, slots=True)
class Decided:
    """How a run ended, as the process that ran it decided."""

    outcome: Settlement


class JobProcess(Protocol):
    """A process that waits for a job."""

    async def run(self, job: ClaimedJob, plan: Plan, *, now_ms: int, reports: Reports) -> Decided:
        """Runs a job; a run that is cancelled kills the process.

        Raises ProcessCrashed, MemoryLimitExceeded.
        """
        ...


class Processes(Protocol):
    """The processes of one worker."""

    def lend(self, plan: Plan) -> AbstractAsyncContextManager[JobProcess]:
        """Gives a process for one job; a new one is started if none is idle.

        Raises ProcessCrashed if it cannot be.
        """
        ...
