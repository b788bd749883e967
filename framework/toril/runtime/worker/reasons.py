"""Words what went wrong for the job's record: the reason, and one stack trace an attempt."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import msgspec

from toril.errors import ChildFailed, JobStalled, Unrecoverable, WorkerCrashed
from toril.runtime.job import StoredJob

#: Longer texts are cut: they are stored with the job and told in the events stream.
MAX_REASON = 8_000
MAX_TRACE = 16_000

#: Attempts whose stack traces are kept, unless the job's own `stackTraceLimit` says less.
MAX_TRACES = 10

#: How a failure begins that somebody stored for the next worker to find, and what it is.
_DEFERRED: Mapping[str, type[Unrecoverable]] = {
    "child ": ChildFailed,
    "job stalled ": JobStalled,
    "the job ended its worker process ": WorkerCrashed,
}

_CUT = "... (cut)"
_HERE = str(Path(__file__).parent)


def describe_error(error: BaseException) -> str:
    """Gives the error's message, with its class where the message alone says nothing."""
    kind, message = type(error).__name__, _message_of(error)
    if not message.strip():
        message = kind
    elif isinstance(error, KeyError) or not isinstance(error, Exception):
        message = f"{kind}: {message}"
    if len(message) > MAX_REASON:
        message = message[: MAX_REASON - len(_CUT)] + _CUT
    return _storable(message)


def make_deferred_failure(reason: str) -> Unrecoverable:
    """Makes the error of a job that must fail without running, by how its reason begins."""
    kinds = (kind for start, kind in _DEFERRED.items() if reason.startswith(start))
    return next(kinds, Unrecoverable)(reason)


def append_trace(job: StoredJob, error: BaseException, *, limit: object = None) -> bytes:
    """Gives the job's stack traces with this attempt's at the end, as a JSON array.

    `limit` is the job's own `stackTraceLimit`; 0 keeps none.
    """
    keep = int(min(limit, MAX_TRACES)) if isinstance(limit, int | float) else MAX_TRACES
    if keep <= 0:
        return b"[]"
    traces = [*job.stacktrace[-keep:], format_trace(error)][-keep:]
    return msgspec.json.encode([_storable(trace) for trace in traces])


def format_trace(error: BaseException) -> str:
    """Writes the traceback without the worker's own frames, the end of it if it is long."""
    try:
        text = "".join(traceback.format_exception(type(error), error, _own_frames(error)))
    except Exception:  # noqa: BLE001 - an error whose own methods raise must still be recorded
        text = f"{type(error).__name__} (its traceback cannot be shown)"
    if len(text) > MAX_TRACE:
        text = _CUT + text[-(MAX_TRACE - len(_CUT)) :]
    return text.rstrip("\n")


def _own_frames(error: BaseException) -> TracebackType | None:
    """Skips the frames above the processor: they are the same for every job."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_HERE):
        frames = frames.tb_next
    return frames


def _message_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - a hostile or broken __str__
        return ""


def _storable(text: str) -> str:
    """Replaces lone surrogates, which no UTF-8 can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")
