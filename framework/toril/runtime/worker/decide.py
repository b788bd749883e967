"""Decides how a run ended: pure functions from a job and what its run gave to an outcome."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toril.declarations.backoff import (
    BUILTIN_BACKOFFS,
    Backoff,
    WaitFactory,
    compute_delay_ms,
)
from toril.declarations.job_type import Keep, Retry
from toril.errors import Delay, InvalidData, RateLimited, Unrecoverable, WaitForChildren
from toril.runtime.codec import encode_json, read_keep, to_integer
from toril.runtime.flows import SKIPPED_RESULT
from toril.runtime.job import StoredJob
from toril.runtime.outcomes import (
    Completed,
    Failed,
    GivenBack,
    MovedToWaitingChildren,
    Postponed,
    Retried,
    Settlement,
)
from toril.runtime.worker.asked_times import read_instant_ms, read_retry_after_ms, read_span_ms
from toril.runtime.worker.reasons import append_trace, describe_error

#: What a job type without a declaration of its own gets.
NO_RETRY = Retry()
DEFAULT_KEEP = Keep()

#: A result beyond this would hold the server for everyone while it is stored and told.
MAX_RESULT_BYTES = 16 * 1024 * 1024

#: A rate limit or delay of nothing still has to leave the slot.
SHORTEST_LIMIT_MS = 1


class JobTimedOut(TimeoutError):
    """The job ran longer than its `timeout`."""


class ClaimedUnbound(Exception):
    """The job was claimed before it was known which keys of its queue's limits bind it."""


class StepSkipped(Exception):
    """The job is a step of a flow that is not to run."""


class TickSkipped(Exception):
    """The job is a tick of a schedule that is not to run; it says why."""


def decide_skip(job: StoredJob, *, keep: Keep = DEFAULT_KEEP) -> Settlement:
    """Completes a step that is not to run."""
    rule = read_keep(job.opts_json, job.id, "completed", keep.completed)
    return Completed(id=job.id, result=SKIPPED_RESULT, keep=rule, fence=job.attempts_started)


def decide_success(
    job: StoredJob, result: object, *, retry: Retry = NO_RETRY, keep: Keep = DEFAULT_KEEP
) -> Settlement:
    """Completes the job with its result, or fails it when the result cannot be stored."""
    try:
        encoded = encode_json(result, "the result")
        _check_size(encoded)
    except InvalidData as error:
        # The work is done; running it again would give the same value.
        return fail(job, error, attempts=allowed_attempts(job, retry), keep=keep)
    rule = read_keep(job.opts_json, job.id, "completed", keep.completed)
    return Completed(id=job.id, result=encoded, keep=rule, fence=job.attempts_started)


def decide_failure(
    job: StoredJob,
    error: BaseException,
    *,
    retry: Retry = NO_RETRY,
    keep: Keep = DEFAULT_KEEP,
    now_ms: int,
    random_unit: float,
    factories: Mapping[str, WaitFactory] = BUILTIN_BACKOFFS,
    end_ms: int | None = None,
    has_added_children: bool = False,
) -> Settlement:
    """Turns what a run raised into a retry, a pause, a hand-back or the end.

    `random_unit` in 0..1 decides the backoff's jitter. No attempt is made from `end_ms` on.
    """
    if isinstance(error, WaitForChildren):
        return MovedToWaitingChildren(
            id=job.id, fence=job.attempts_started, has_added=has_added_children
        )
    try:
        if isinstance(error, RateLimited):
            limit_ms = max(read_span_ms(error.retry_after), SHORTEST_LIMIT_MS)
            return give_back(job, limit_ms=limit_ms)
        if isinstance(error, Delay):
            until_ms = read_instant_ms(error.until, now_ms=now_ms)
            # Put off no further than its deadline, where the next claim fails it.
            until_ms = until_ms if end_ms is None else min(until_ms, end_ms)
            return Postponed(id=job.id, until_ms=until_ms, fence=job.attempts_started)
    except (TypeError, ValueError) as wrong:
        wrong.__cause__ = error
        error = wrong
    attempt = job.attempts_made + 1
    attempts = allowed_attempts(job, retry)
    if attempt >= attempts or not is_retried(error, retry):
        return fail(job, error, attempts=attempts, keep=keep)
    delay_ms = _backoff_ms(job, retry, attempt, error, random_unit, factories, now_ms)
    if end_ms is not None and now_ms + delay_ms >= end_ms:
        error.add_note("its deadline leaves no time for another attempt")
        return fail(job, error, attempts=attempts, keep=keep)
    return Retried(
        id=job.id,
        delay_ms=delay_ms,
        reason=describe_error(error),
        stacktrace=append_trace(job, error, limit=read_opts(job).get("stackTraceLimit")),
        fence=job.attempts_started,
    )


def fail(job: StoredJob, error: BaseException, *, attempts: int, keep: Keep) -> Failed:
    """Fails the job for good, whatever attempts are left."""
    opts = read_opts(job)
    return Failed(
        id=job.id,
        reason=describe_error(error),
        stacktrace=append_trace(job, error, limit=opts.get("stackTraceLimit")),
        keep=read_keep(job.opts_json, job.id, "failed", keep.failed),
        attempts=attempts,
        fence=job.attempts_started,
        error_type=type(error).__name__,
    )


def give_back(job: StoredJob, *, limit_ms: int = 0) -> GivenBack:
    """Returns the job to the front of its line; no attempt is spent."""
    return GivenBack(id=job.id, limit_ms=limit_ms, fence=job.attempts_started)


def read_opts(job: StoredJob) -> Mapping[str, Any]:
    """The job's options; none if a peer stored something that cannot be read."""
    try:
        return job.opts
    except InvalidData:
        return {}


def allowed_attempts(job: StoredJob, declared: Retry) -> int:
    """How often the job may start in all: what is stored with it, else what is declared."""
    stored = read_opts(job).get("attempts")
    if isinstance(stored, int | float) and stored >= 1:
        return to_integer(stored)
    return declared.attempts


def choose_backoff(job: StoredJob, declared: Retry) -> Backoff | None:
    """The pause between attempts: what is stored with the job, else what is declared."""
    stored = read_opts(job).get("backoff")
    if isinstance(stored, int | float) and not isinstance(stored, bool):
        return Backoff(type="fixed", delay_ms=to_integer(stored))
    if isinstance(stored, Mapping) and isinstance(stored.get("type"), str):
        return _read_backoff(stored)
    return declared.backoff


def is_retried(error: BaseException, retry: Retry) -> bool:
    """Whether the policy retries this error; `never_on` wins over `on`."""
    if isinstance(error, Unrecoverable) or matches(error, retry.never_on):
        return False
    return not retry.on or matches(error, retry.on)


def matches(error: BaseException, names: tuple[str, ...]) -> bool:
    """Whether one of the names is that of the error's class or of one it derives from.

    A dotted path may leave out inner modules: `ccxt.NetworkError` is ccxt.base.errors.NetworkError.
    """
    return any(_is_named(cls, name) for name in names for cls in type(error).__mro__)


def _check_size(encoded: bytes) -> None:
    if len(encoded) > MAX_RESULT_BYTES:
        raise InvalidData(
            f"the result is {len(encoded)} bytes of JSON, expected at most {MAX_RESULT_BYTES}; "
            "store it elsewhere and return where"
        )


def _backoff_ms(
    job: StoredJob,
    retry: Retry,
    attempt: int,
    error: BaseException,
    random_unit: float,
    factories: Mapping[str, WaitFactory],
    now_ms: int,
) -> int:
    backoff = choose_backoff(job, retry)
    asked_ms = read_retry_after_ms(error, now_ms=now_ms)
    if asked_ms is not None:
        return asked_ms
    try:
        return compute_delay_ms(
            backoff, attempt, random_unit=random_unit, factories=factories, error=error
        )
    except Exception as wrong:  # noqa: BLE001 - a plugin's strategy, or a type unknown here
        # The attempts are the user's word; a broken pause must not cost the job what is left.
        error.add_note(f"backoff {backoff!r} cannot be computed ({wrong!r}); its delay is used")
        return max(backoff.delay_ms, 0) if backoff else 0


def _read_backoff(stored: Mapping[str, object]) -> Backoff:
    known = {"type", "delay", "jitter", "max", "delays"}
    delays, delay, maximum = stored.get("delays"), stored.get("delay"), stored.get("max")
    jitter = stored.get("jitter")
    return Backoff(
        type=str(stored["type"]),
        delay_ms=to_integer(delay) if isinstance(delay, int | float) else 0,
        max_ms=to_integer(maximum) if isinstance(maximum, int | float) else None,
        jitter=min(max(float(jitter), 0.0), 1.0) if isinstance(jitter, int | float) else 0.0,
        delays_ms=tuple(to_integer(ms) for ms in delays if isinstance(ms, int | float))
        if isinstance(delays, list | tuple)
        else (),
        options={name: value for name, value in stored.items() if name not in known},
    )


def _is_named(cls: type, name: str) -> bool:
    package, _, last = name.rpartition(".")
    if last not in (cls.__name__, cls.__qualname__):
        return False
    return not package or cls.__module__ == package or cls.__module__.startswith(package + ".")
