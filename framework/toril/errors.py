"""Every exception that Toril raises or understands.

TorilError
├── ConfigurationError          the directory has problems (carries them)
├── AddError                    `add` refused a job; nothing was stored
│   ├── InvalidData             not JSON, or against the job's data_schema
│   ├── PayloadTooLarge         data over the queue's max_payload
│   └── InvalidJobId            an id the layout cannot hold
├── UnknownName                 no job type, queue, flow, ... of that name (carries a suggestion)
├── JobNotFound                 no job of that id in the queue
├── WrongState                  the job is not in a state that allows the operation
├── JobFailed                   a job one waited for failed (carries its error)
├── WaitTimeout                 a job one waited for did not finish in time
├── RedisUnavailable            no Redis there, or it stopped answering: a call may have run or not
│   ├── RedisRefused            there, but it cannot serve now; the call did not run
│   │   └── RedisOutOfMemory    maxmemory reached; the call did not run
│   ├── ClientClosed            the client is not open, or not any more; the call did not run
│   └── RedisMisconfigured      there, but its settings or version cannot hold jobs safely
├── EmbeddedServerError         the embedded server cannot be started here
├── PluginError                 a plugin failed to load or brought something unusable
├── SecretError                 a secret:// reference cannot be resolved
├── TemplateError               text with ${{ }} cannot be read (carries its problems)
└── ExpressionError             a ${{ }} expression failed at run time

JobSignal                       raised by processors to say how the run ended
├── Unrecoverable               fail now, no retry
│   ├── ChildFailed             a child failed that the job cannot do without
│   ├── JobStalled              its workers vanished too often
│   ├── WorkerCrashed           it ended its worker processes too often
│   ├── Cancelled               somebody cancelled it
│   ├── Expired                 the job was not started in time (`expires_in`)
│   └── DeadlineExceeded        the job had not ended in time (`deadline`)
├── RateLimited                 back to waiting, no attempt spent, queue limited for a while
├── Delay                       run again at a given time, no attempt spent
├── WaitForChildren             run again when the children are done, no attempt spent
└── LockLost                    the job belongs to someone else by now
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any


class TorilError(Exception):
    """Everything that Toril raises on purpose."""


class ConfigurationError(TorilError):
    """The configuration directory has problems; `problems` holds them all."""

    def __init__(self, message: str, *, problems: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class AddError(TorilError):
    """A job was refused; nothing was stored."""


class InvalidData(AddError):
    """The data is not JSON, or does not fit the job's `data_schema`."""


class PayloadTooLarge(AddError):
    """The data is larger than the queue's `max_payload`."""


class InvalidJobId(AddError):
    """The id cannot be used in the Redis layout."""


class UnknownName(TorilError):
    """No such job type, queue, schedule, flow or plugin."""

    def __init__(self, message: str, *, suggestion: str | None = None) -> None:
        super().__init__(message)
        self.suggestion = suggestion


class JobNotFound(TorilError):
    """No job of that id."""


class WrongState(TorilError):
    """The job's state does not allow the operation."""


class JobFailed(TorilError):
    """A job one waited for failed; `reason` is its failedReason."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class WaitTimeout(TorilError):
    """A job one waited for did not finish in time."""


class RedisUnavailable(TorilError):
    """No Redis answers at the configured address, or it stopped: a call may have run or not."""


class RedisRefused(RedisUnavailable):
    """The server answers but cannot serve now (loading, busy, read-only); the call did not run."""


class RedisOutOfMemory(RedisRefused):
    """The server's memory is full; the call did not run."""


class ClientClosed(RedisUnavailable):
    """The client is not open, or was closed; the call did not run."""


class RedisMisconfigured(RedisUnavailable):
    """The server answers, but its version or settings cannot hold jobs safely."""


class EmbeddedServerError(TorilError):
    """The embedded server cannot be started here."""


class PluginError(TorilError):
    """A plugin failed to load, or brought something unusable."""


class SecretError(TorilError):
    """A `secret://` reference cannot be resolved."""


class TemplateError(TorilError):
    """Text with `${{ }}` cannot be read; `problems` say what is wrong, and where."""

    def __init__(self, message: str, *, problems: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class ExpressionError(TorilError):
    """A `${{ }}` expression failed when it was evaluated."""


class JobSignal(Exception):
    """What a processor raises to say how its run ended."""


class Unrecoverable(JobSignal):
    """Fails the job now, whatever attempts are left."""


class ChildFailed(Unrecoverable):
    """A child, or a step of a flow, failed that the job cannot do without."""


class JobStalled(Unrecoverable):
    """The workers that ran the job vanished more often than its queue allows."""


class WorkerCrashed(Unrecoverable):
    """The job ended its worker processes more often than its queue allows."""


class Cancelled(Unrecoverable):
    """Somebody cancelled the job."""


class Expired(Unrecoverable):
    """The job was not started within its `expires_in`; it never ran."""


class DeadlineExceeded(Unrecoverable):
    """The job had not ended within its `deadline`, all attempts included."""


class RateLimited(JobSignal):
    """Puts the job back to waiting without spending an attempt, and holds the queue for a while.

    `retry_after` is a number of seconds or a duration such as "30s".
    """

    def __init__(self, retry_after: float | str, message: str = "") -> None:
        super().__init__(message or f"rate limited for {retry_after}")
        self.retry_after = retry_after


class Delay(JobSignal):
    """Runs the job again later without spending an attempt.

    `until` is an aware datetime, a number of seconds from now, or a duration such as "5m".
    """

    def __init__(self, until: datetime | float | str, message: str = "") -> None:
        super().__init__(message or f"delayed until {until}")
        self.until = until


class WaitForChildren(JobSignal):
    """Runs the job again once the children it added have ended, without spending an attempt.

    That run finds their results in `job.results`.
    """

    def __init__(self, message: str = "waiting for children") -> None:
        super().__init__(message)


class LockLost(JobSignal):
    """The job's lock was lost: another worker may run it, and this run's result is refused."""
