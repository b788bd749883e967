"""What both clients do alike, without I/O: jobs made of a wish to add, results read of endings.

A job is checked in this order: is it JSON, is it small enough, does it fit its `data_schema`, can
the layout hold its id. What is refused is refused here, before anything is sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from toril.clock import Clock
from toril.config.data_schema import DataSchema
from toril.declarations.backoff import MAX_DELAY_MS
from toril.declarations.flow import Flow
from toril.declarations.instants import format_instant, parse_instant_ms, to_ms
from toril.declarations.names import find_named
from toril.declarations.pipeline import Pipeline
from toril.declarations.spans import Span, read_span_ms
from toril.declarations.units import format_duration
from toril.errors import AddError, InvalidData, JobFailed, PayloadTooLarge
from toril.runtime.calls.add import MAX_PRIORITY, Added
from toril.runtime.calls.deduplication import check_deduplication
from toril.runtime.calls.jobs import Ending
from toril.runtime.codec import (
    decode_json,
    encode_json,
    generate_job_id,
    validate_job_id,
    validate_run_id,
)
from toril.runtime.flows import build_run
from toril.runtime.job import NO_FIELDS, NewJob
from toril.runtime.job_options import build_opts
from toril.runtime.limit_keys import LimitKeys
from toril.runtime.own_fields import LIMIT_KEYS
from toril.runtime.runs import RunView
from toril.runtime.states import JobState
from toril.runtime.ticks import BuildJob
from toril.runtime.unique import UniqueRule

#: A lost reply to `add` is asked for again after these pauses: an id that is there adds nothing.
ADD_AGAIN_AFTER_S = (0.05, 0.2, 0.5)
#: How far back, beside that, the server's events are asked: clocks agree about this well.
CLOCKS_APART_MS = 5_000

#: The data of a job that is added without any.
EMPTY: dict[str, Any] = {}

_BY_NEED = re.compile(r"step '.*' failed")

#: An aware datetime, or ISO 8601 text.
Instant = datetime | str


@dataclass(frozen=True, kw_only=True, slots=True)
class Deduplication:
    """Keeps a job out while another one of its queue holds the same deduplication id.

    The id is held until the job that took it has finished, or for `ttl` from when it was added.
    """

    id: str
    ttl: Span | None = None
    #: Each job that is kept out begins the ttl anew.
    extend: bool = False
    #: A holder that is still delayed is removed, and the new job takes its place.
    replace: bool = False
    #: While the holder runs, the last job that is kept out is stored, and added when the holder has
    #: finished. The ttl has no effect then.
    keep_last: bool = False
    #: A holder that is still delayed becomes due when the job that is kept out would have been.
    reschedule: bool = False

    def to_opts(self) -> dict[str, Any]:
        """Gives BullMQ's `deduplication`; raises AddError unless it can be."""
        try:
            ttl_ms = None if self.ttl is None else read_span_ms(self.ttl)
        except ValueError as error:
            raise AddError(f"deduplication ttl: {error}") from error
        flags = {
            "extend": self.extend,
            "replace": self.replace,
            "keepLastIfActive": self.keep_last,
            "reschedule": self.reschedule,
        }
        rule: dict[str, Any] = {"id": self.id, **{flag: True for flag in flags if flags[flag]}}
        if ttl_ms is not None:
            rule["ttl"] = ttl_ms
        check_deduplication(rule)
        return rule


class AddOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a job is added, beside its type and data."""

    id: str | None = None
    delay: Span | None = None
    at: Instant | None = None
    #: None: the job type's own.
    priority: int | None = None
    lifo: bool = False
    deduplicate: Deduplication | None = None


PLAIN = AddOptions()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Mould:
    """What all jobs of one type have in common."""

    name: str
    queue: str
    max_payload: int
    schema: DataSchema | None
    priority: int
    is_lifo: bool
    unique: UniqueRule | None
    limit_keys: LimitKeys
    opts: Mapping[str, Any]


class JobBuilder:
    """Makes jobs of one pipeline's types."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._moulds: dict[str, _Mould] = {}

    def build(
        self, job_type: str, data: Any, options: AddOptions = PLAIN, *, now_ms: int
    ) -> NewJob:
        """Checks and makes one job; raises UnknownName or AddError."""
        mould = self._mould(job_type)
        delay_ms = read_delay_ms(options, now_ms=now_ms, timezone=self._pipeline.timezone)
        priority = read_priority(options, mould.priority)
        if options.lifo:
            _check_lifo(job_type, delay_ms=delay_ms, priority=priority)
        encoded = _encode(mould, data, options.id)
        return NewJob(
            queue=mould.queue,
            id=generate_job_id(now_ms) if options.id is None else options.id,
            name=job_type,
            data=encoded,
            opts=_complete_opts(mould, options, encoded),
            timestamp_ms=now_ms,
            delay_ms=delay_ms,
            priority=priority,
            lifo=options.lifo or (mould.is_lifo and not delay_ms and not priority),
            is_id_new=options.id is None,
            own=_bind(mould, encoded),
        )

    def build_many(self, job_type: str, rows: Iterable[Any], *, now_ms: int) -> list[NewJob]:
        """Checks and makes a job for each row of data; raises UnknownName or AddError."""
        self._mould(job_type)
        return [self.build(job_type, data, now_ms=now_ms) for data in rows]

    def build_run(
        self, flow: str, inputs: Any, *, run_id: str | None = None, now_ms: int
    ) -> tuple[str, list[NewJob]]:
        """Checks and makes the jobs of a flow's run, and gives its id.

        Raises UnknownName, AddError, or ExpressionError where a step's data cannot be computed.
        """
        declared = find_named("flow", flow, self._pipeline.flows)
        what = f"inputs of flow {flow!r}"
        encoded = encode_json(inputs, what)
        if not isinstance(inputs, Mapping):
            raise InvalidData(f"expected {what} to be an object, got {inputs!r}")
        DataSchema(declared.inputs, what=what).check(decode_json(encoded))
        run = generate_job_id(now_ms) if run_id is None else validate_run_id(run_id)
        jobs = build_run(
            self._pipeline,
            declared,
            inputs,
            run_id=run,
            now_ms=now_ms,
            check_data=self.check_data,
        )
        if run_id is None:
            jobs = [msgspec.structs.replace(job, is_id_new=True) for job in jobs]
        return run, jobs

    def check_data(self, job_type: str, data: Any) -> None:
        """Raises UnknownName or AddError unless a job of the type may carry the data."""
        _encode(self._mould(job_type), data, None)

    def _mould(self, name: str) -> _Mould:
        mould = self._moulds.get(name)
        if mould is None:
            mould = self._moulds[name] = self._make_mould(name)
        return mould

    def _make_mould(self, name: str) -> _Mould:
        job_type = find_named("job type", name, self._pipeline.jobs)
        schema = job_type.data_schema
        return _Mould(
            name=name,
            queue=job_type.queue,
            max_payload=self._pipeline.queues[job_type.queue].max_payload,
            schema=None if schema is None else DataSchema(schema, what=f"data of job {name!r}"),
            priority=job_type.priority,
            is_lifo=job_type.order == "lifo",
            unique=None if job_type.unique is None else UniqueRule(name, job_type.unique),
            limit_keys=LimitKeys(job_type.queue, self._pipeline.queues[job_type.queue].limits),
            opts=build_opts(job_type, self._pipeline.queues[job_type.queue]),
        )


def make_job_factory(pipeline: Pipeline, clock: Clock) -> BuildJob:
    """Gives what makes the jobs of a schedule's items."""
    builder = JobBuilder(pipeline)

    def build(job_type: str, data: Any, *, id: str, priority: int | None = None) -> NewJob:
        options = AddOptions(id=id, priority=priority)
        return builder.build(job_type, data, options, now_ms=clock.now_ms())

    return build


def _complete_opts(mould: _Mould, options: AddOptions, data: bytes) -> Mapping[str, Any]:
    """Adds the deduplication: the one that is wished, else what the job type is unique by."""
    if options.deduplicate is not None:
        rule: dict[str, Any] | None = options.deduplicate.to_opts()
    else:
        rule = None if mould.unique is None else mould.unique.deduplicate(decode_json(data))
    return mould.opts if rule is None else {**mould.opts, "deduplication": rule}


def _bind(mould: _Mould, data: bytes) -> Mapping[str, str]:
    """Gives the field that names the keys of the queue's limits that bind a job."""
    if not mould.limit_keys:
        return NO_FIELDS
    return {LIMIT_KEYS: mould.limit_keys.compute(decode_json(data))}


def _encode(mould: _Mould, data: Any, job_id: str | None) -> bytes:
    encoded = encode_json(data)
    _check_data(mould, encoded)
    if job_id is not None:
        validate_job_id(job_id)
    return encoded


def _check_data(mould: _Mould, encoded: bytes) -> None:
    if len(encoded) > mould.max_payload:
        raise PayloadTooLarge(
            f"data of job {mould.name!r} is {len(encoded)} bytes of JSON, and "
            f"queue {mould.queue!r} takes at most {mould.max_payload}; store it elsewhere and pass "
            "where, or raise the queue's max_payload"
        )
    if mould.schema is not None:
        # As it will be read: a tuple is a list by then.
        mould.schema.check(decode_json(encoded))


def read_result(ending: Ending, queue: str, job_id: str) -> Any:
    """Gives the result of a job that completed; raises JobFailed for one that failed."""
    if ending.state is not JobState.COMPLETED:
        reason = ending.reason or "no reason is stored"
        raise JobFailed(f"job {job_id!r} of queue {queue!r} failed: {reason}", reason=reason)
    return None if ending.result is None else decode_json(ending.result, f"result of {job_id!r}")


def read_run_result(flow: Flow, run: RunView) -> Any:
    """Gives the result of the last step, or the results of several last steps by their names."""
    results = {step.name: run.steps[step.name].result for step in flow.last_steps}
    return next(iter(results.values())) if len(results) == 1 else results


def describe_failed_run(run: RunView) -> JobFailed:
    """Makes the error of a run that failed, by the step that failed first of itself."""
    failed = {name: step.error or "" for name, step in run.steps.items() if step.state == "failed"}
    # What needs a failed step fails with words about that step; the deepest one has its own.
    own = [f"step {name!r}: {e}" for name, e in failed.items() if not _BY_NEED.fullmatch(e)]
    reason = "; ".join(own) or "no reason is stored"
    return JobFailed(f"run {run.run!r} of flow {run.flow!r} failed: {reason}", reason=reason)


def read_delay_ms(options: AddOptions, *, now_ms: int, timezone: str) -> int:
    """Gives how long the job waits before it is due; an instant that is over is now."""
    if options.delay is None and options.at is None:
        return 0
    if options.delay is not None and options.at is not None:
        raise AddError("expected either delay or at, got both")
    try:
        if options.delay is not None:
            delay_ms = read_span_ms(options.delay)
        else:
            delay_ms = max(read_instant_ms(options.at, timezone) - now_ms, 0)
    except ValueError as error:
        raise AddError(str(error)) from error
    if delay_ms > MAX_DELAY_MS:
        longest, latest = format_duration(MAX_DELAY_MS), format_instant(now_ms + MAX_DELAY_MS)
        raise AddError(f"expected a delay of at most {longest}, that is until {latest}")
    return delay_ms


def read_instant_ms(at: object, timezone: str) -> int:
    """Reads an aware datetime, or ISO text, which is in `timezone` unless it names a zone."""
    if isinstance(at, datetime):
        return to_ms(at)
    if not isinstance(at, str):
        raise ValueError(f"expected a datetime with a time zone or ISO 8601 text, got {at!r}")
    return parse_instant_ms(at, timezone)


def _check_lifo(job_type: str, *, delay_ms: int, priority: int) -> None:
    """Raises AddError where lifo would have no effect: BullMQ heeds it among waiting jobs only."""
    if priority:
        message = (
            f"expected no lifo for job {job_type!r} of priority {priority}; pass priority 0 too"
        )
        raise AddError(message)
    if delay_ms:
        raise AddError(f"expected no lifo for job {job_type!r}, which is delayed")


def read_priority(options: AddOptions, declared: int) -> int:
    """Gives the priority, the job type's own unless another is wished."""
    priority = declared if options.priority is None else options.priority
    if type(priority) is not int or not 0 <= priority <= MAX_PRIORITY:
        raise AddError(f"expected a priority from 0 to {MAX_PRIORITY}, got {priority!r}")
    return priority


def list_created(jobs: Sequence[NewJob], added: Sequence[Added]) -> list[NewJob]:
    """Gives the jobs that were stored, rather than found or kept out."""
    return [job for job, one in zip(jobs, added, strict=True) if one.created]
