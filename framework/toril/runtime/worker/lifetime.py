"""How long a job may live: until when it is started, how long a run takes, when all has to end."""

from __future__ import annotations

from dataclasses import dataclass

from toril.declarations.job_type import JobType
from toril.declarations.units import format_duration
from toril.errors import DeadlineExceeded, Expired
from toril.runtime.codec import to_integer
from toril.runtime.job import StoredJob
from toril.runtime.worker.decide import JobTimedOut, read_opts


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """How long a run may go on."""

    ms: int
    #: The declared `deadline` that ends it; None: its timeout does.
    deadline_ms: int | None = None

    def exceeded(self) -> Exception:
        """Makes the error that a run over its limit ends with."""
        if self.deadline_ms is not None:
            return _exceeded(self.deadline_ms)
        return JobTimedOut(f"job timed out after {format_duration(self.ms)}")


def check_lifetime(job_type: JobType, job: StoredJob, *, now_ms: int) -> None:
    """Raises Expired for a job that is started too late, DeadlineExceeded for one that is over.

    A job that was started in time does not expire later on.
    """
    expires_in_ms, deadline_ms = job_type.expires_in_ms, job_type.deadline_ms
    late_ms = now_ms - find_due_ms(job)
    if expires_in_ms is not None and late_ms >= expires_in_ms and job.attempts_started <= 1:
        raise Expired(f"job expired: it was not started within {format_duration(expires_in_ms)}")
    if deadline_ms is not None and late_ms >= deadline_ms:
        raise _exceeded(deadline_ms)


def find_limit(job_type: JobType, job: StoredJob, *, now_ms: int) -> TimeLimit | None:
    """Gives the limit of a run that begins now: the timeout, or the deadline if that is nearer."""
    timeout_ms, end_ms = job_type.timeout_ms, find_end_ms(job_type, job)
    if end_ms is not None and (timeout_ms is None or end_ms - now_ms < timeout_ms):
        return TimeLimit(end_ms - now_ms, job_type.deadline_ms)
    return None if timeout_ms is None else TimeLimit(timeout_ms)


def find_end_ms(job_type: JobType, job: StoredJob) -> int | None:
    """Gives when the job must have ended, None if nothing says so."""
    deadline_ms = job_type.deadline_ms
    return None if deadline_ms is None else find_due_ms(job) + deadline_ms


def find_due_ms(job: StoredJob) -> int:
    """Gives when the job could run first: the hash's own `delay` is that of the last backoff."""
    delay = read_opts(job).get("delay")
    return job.timestamp_ms + (to_integer(delay) if isinstance(delay, int | float) else 0)


def _exceeded(deadline_ms: int) -> DeadlineExceeded:
    return DeadlineExceeded(
        f"job did not end within its deadline of {format_duration(deadline_ms)}"
    )
