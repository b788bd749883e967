"""The shape in which `toril` prints a job, in JSON and as text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from toril.declarations.instants import format_instant
from toril.errors import InvalidData
from toril.runtime.calls.durable_steps import read_steps
from toril.runtime.codec import decode_json
from toril.runtime.job import StoredJob
from toril.runtime.own_fields import CANCELLED, FLOW, RUN, STEP
from toril.runtime.states import JobState


def describe_job(job: StoredJob, state: JobState) -> dict[str, Any]:
    """Gives a job's facts by the names that others build on; instants are ISO 8601 in UTC."""
    opts = _read_tolerantly(lambda: job.opts, {})
    own = job.own
    return {
        "id": job.id,
        "queue": job.queue,
        "name": job.name,
        "state": state.value,
        "data": _read_tolerantly(lambda: job.data, job.data_json.decode("utf-8", "replace")),
        "result": job.returnvalue,
        "error": job.failed_reason,
        "attempts": job.attempts_made,
        "max_attempts": opts.get("attempts"),
        "progress": job.progress,
        "priority": job.priority,
        "delay_ms": job.delay_ms,
        "added_at": _format(job.timestamp_ms),
        "started_at": _format(job.processed_on_ms),
        "finished_at": _format(job.finished_on_ms),
        "starts": job.attempts_started,
        "stalled": job.stalled_count,
        "worker": job.processed_by,
        "schedule": job.repeat_key,
        "flow": own.get(FLOW),
        "run": own.get(RUN),
        "step": own.get(STEP),
        "parent": job.parent_key,
        "cancelled": CANCELLED in own,
        "durable_steps": {name: decode_json(kept) for name, kept in read_steps(job).items()},
        "stacktrace": job.stacktrace,
    }


def _read_tolerantly(read: Callable[[], Any], otherwise: Any) -> Any:
    """Reads what a peer may have stored wrongly; one bad job must not hide the others."""
    try:
        return read()
    except InvalidData:
        return otherwise


def _format(instant_ms: int | None) -> str | None:
    return None if instant_ms is None else format_instant(instant_ms)
