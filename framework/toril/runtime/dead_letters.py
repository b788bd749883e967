"""Dead letters: the copies that jobs leave when they fail for good.

A letter is a job of the dead-letter queue. Its data is
`{"queue", "job", "id", "data", "error": {"type", "message"}, "attempts", "failed_at"}`, so that the
job that handles it sees all of it; its field `t:dl` has what sending it back takes beside that:
`{"queue", "id", "name", "priority", "fields", "opts"}` of the job that failed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import msgspec

from toril.declarations.dead_letter import WHEN_VARIABLES, DeadLetterRule
from toril.declarations.expression import Template, parse_template
from toril.declarations.instants import format_instant
from toril.declarations.job_type import JobType
from toril.declarations.pipeline import Pipeline
from toril.errors import ExpressionError, InvalidData
from toril.runtime.codec import MAX_ID_BYTES, decode_json, encode_json
from toril.runtime.job import ClaimedJob, StoredJob
from toril.runtime.job_options import build_opts
from toril.runtime.outcomes import Failed, Letter
from toril.runtime.own_fields import CANCELLED, OWNER, WAITED_IN_VAIN

#: Fields that come back with a job, beside Toril's own: `ats`, the fence, only grows.
_LINKS = frozenset({b"parentKey", b"parent", b"rjk", b"ats"})
_OF_ONE_START = frozenset(name.encode() for name in (OWNER, WAITED_IN_VAIN, CANCELLED))


@dataclass(frozen=True, slots=True)
class _Writer:
    """A rule, ready to be applied."""

    rule: DeadLetterRule
    when: Template | None
    opts: Mapping[str, Any]
    priority: int


class DeadLetters:
    """Writes the letters of one pipeline's jobs."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._writers: dict[tuple[str, str], _Writer | None] = {}

    def attach(self, job: StoredJob, outcome: Failed, *, now_ms: int) -> Failed:
        """Gives the outcome back, with a letter if the job is to leave one."""
        writer = self._find_writer(job)
        if writer is None or not _is_wanted(writer, job, outcome):
            return outcome
        return msgspec.structs.replace(outcome, letter=_write(writer, job, outcome, now_ms))

    def _find_writer(self, job: StoredJob) -> _Writer | None:
        place = (job.queue, job.name)
        if place not in self._writers:
            self._writers[place] = self._make_writer(*place)
        return self._writers[place]

    def _make_writer(self, queue: str, name: str) -> _Writer | None:
        job_type = self._pipeline.jobs.get(name)
        if job_type is not None and job_type.queue == queue:
            rule = job_type.dead_letter
        else:
            declared = self._pipeline.queues.get(queue)
            rule = None if declared is None else declared.dead_letter
        if rule is None:
            return None
        when = None if rule.when is None else parse_template(rule.when, WHEN_VARIABLES)
        handler: JobType | None = self._pipeline.jobs.get(rule.job)
        if handler is None:
            return _Writer(rule, when, {"attempts": 0}, 0)
        opts = build_opts(handler, self._pipeline.queues[handler.queue])
        # What Node stores in `opts`, too.
        priority = {"priority": handler.priority} if handler.priority else {}
        return _Writer(rule, when, {**opts, **priority}, handler.priority)


def find_letter_queues(pipeline: Pipeline) -> tuple[str, ...]:
    """Gives the queues that letters go to, in the order of their names."""
    return tuple(sorted({rule.queue for rule in pipeline.dead_letter_rules}))


def _is_wanted(writer: _Writer, job: StoredJob, outcome: Failed) -> bool:
    """Asks `when`; a letter more is better than one less, so an error in it counts as yes."""
    if writer.when is None:
        return True
    facts = {
        "error": {"type": outcome.error_type, "message": outcome.reason},
        "job": {
            "id": job.id,
            "name": job.name,
            "queue": job.queue,
            "attempts": _count_attempts(job),
        },
        "data": _read_data(job),
    }
    try:
        return writer.when.render(facts) is not False
    except ExpressionError:
        return True


def _write(writer: _Writer, job: StoredJob, outcome: Failed, now_ms: int) -> Letter:
    source = {"queue": job.queue, "job": job.name, "id": job.id}
    failure = {
        "error": {"type": outcome.error_type, "message": outcome.reason},
        "attempts": _count_attempts(job),
        "failed_at": format_instant(now_ms),
    }
    data = _join(encode_json(source), b'"data":' + _data_json(job), encode_json(failure))
    origin: dict[str, Any] = {"queue": job.queue, "id": job.id, "name": job.name}
    origin |= {"priority": job.priority, "fields": _read_fields(job)}
    letter_id = _choose_id(job)
    return Letter(
        queue=writer.rule.queue,
        id=letter_id,
        name=writer.rule.job,
        data=data,
        opts={**writer.opts, "jobId": letter_id},
        priority=writer.priority,
        origin=_join(encode_json(origin), b'"opts":' + _opts_json(job)),
    )


def _count_attempts(job: StoredJob) -> int:
    """One that was cancelled as it waited had no attempt more."""
    return job.attempts_made + isinstance(job, ClaimedJob)


def _join(first: bytes, *parts: bytes) -> bytes:
    """Joins the insides of JSON objects to one, without reading them: not a digit may change."""
    inner = b",".join([first[1:-1], *(p[1:-1] if p.startswith(b"{") else p for p in parts)])
    return b"{" + inner + b"}"


def _choose_id(job: StoredJob) -> str:
    """The same for each settlement of one start, so that a repeated one adds nothing twice."""
    text = f"{job.queue}.{job.id}.{job.attempts_started}".replace(":", "-")
    if len(text.encode()) > MAX_ID_BYTES:
        return f"{job.queue}.{sha256(text.encode()).hexdigest()}"
    return text


def _read_fields(job: StoredJob) -> dict[str, str]:
    """What else makes the job what it is: its parents, its schedule, all that is Toril's own."""
    return {
        name.decode(): value.decode("utf-8", "replace")
        for name, value in job.fields.items()
        if name in _LINKS or (name.startswith(b"t:") and name not in _OF_ONE_START)
    }


def _data_json(job: StoredJob) -> bytes:
    """The job's data as it is stored; what a peer stored that is no JSON, as text."""
    try:
        decode_json(job.data_json)
    except InvalidData:
        return encode_json(job.data_json.decode("utf-8", "replace"))
    return job.data_json


def _opts_json(job: StoredJob) -> bytes:
    try:
        _ = job.opts
    except InvalidData:
        return b"{}"
    return job.fields.get(b"opts", b"{}")


def _read_data(job: StoredJob) -> Any:
    try:
        return decode_json(job.data_json)
    except InvalidData:
        return None
