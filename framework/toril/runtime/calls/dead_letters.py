"""Calls that send dead letters back or remove them, and letters as they are read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from toril.declarations.instants import format_instant
from toril.errors import InvalidData
from toril.runtime.call import Call
from toril.runtime.calls.jobs import FoundJob
from toril.runtime.codec import decode_json
from toril.runtime.job import StoredJob
from toril.runtime.keys import QueueKeys
from toril.runtime.own_fields import DEAD_LETTER
from toril.runtime.packing import pack
from toril.runtime.states import JobState

#: Letters that one call moves, so that it does not keep the server from others for long.
BATCH = 100
#: The same for their data; a letter that is larger goes alone.
MAX_BATCH_BYTES = 4 * 1024 * 1024

#: What becomes of a letter that is to be moved.
MOVED = 0
LETTER_MISSING = -1
LETTER_HANDLED = -3
JOB_THERE = -7
DATA_UNKNOWN = -8
CHILD_FIRST = -9

#: Finds where a value of JSON ends without reading it: numbers may be of any length.
_scan = json.JSONDecoder(parse_int=str, parse_float=str).raw_decode
_BLANK = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class DeadLetter:
    """A letter as it lies in its queue: which job failed there, and why."""

    id: str
    #: The dead-letter queue.
    queue: str
    #: The letter's own, as a job of that queue.
    state: JobState
    from_queue: str
    from_id: str
    #: The job type of the job that failed.
    name: str
    #: What that job was given; None if whoever handles the letter has changed its data.
    data: Any
    error: str | None
    error_type: str | None
    #: How many attempts the job has had.
    attempts: int | None
    failed_at_ms: int
    #: The letter as a job.
    job: StoredJob

    @property
    def failed_at(self) -> str:
        """The instant as ISO 8601, in UTC."""
        return format_instant(self.failed_at_ms)


def read_letter(found: FoundJob) -> DeadLetter | None:
    """Makes a letter of a job; None if the job is not one."""
    job = found.job
    origin = _read_origin(job)
    if origin is None:
        return None
    try:
        said = job.data
    except InvalidData:
        said = None
    told: Mapping[str, Any] = said if isinstance(said, dict) else {}
    error = told.get("error")
    failure: Mapping[str, Any] = error if isinstance(error, dict) else {}
    attempts = told.get("attempts")
    return DeadLetter(
        id=job.id,
        queue=job.queue,
        state=found.state,
        from_queue=origin["queue"],
        from_id=origin["id"],
        name=origin["name"],
        data=told.get("data"),
        error=_text(failure.get("message")),
        error_type=_text(failure.get("type")),
        attempts=attempts if isinstance(attempts, int) else None,
        failed_at_ms=job.timestamp_ms,
        job=job,
    )


def replay_letters(
    keys: QueueKeys, letters: Sequence[DeadLetter], *, skip: int | None = None, now_ms: int
) -> Call[list[int]]:
    """Sends letters of one queue back; gives what became of each, MOVED or why it stays.

    `skip`: how many older ones wait, if these were read behind them. They are found faster so.
    """
    queues = list(dict.fromkeys(letter.from_queue for letter in letters))
    numbers = {queue: number for number, queue in enumerate(queues, 2)}
    packed = [_pack(letter, numbers[letter.from_queue]) for letter in letters]
    bases = (keys.base, *(keys.of(queue).base for queue in queues))
    return Call("replay_letters", bases, (now_ms, _or_unknown(skip), pack(packed)), _read_codes)


def purge_letters(
    keys: QueueKeys, letters: Sequence[DeadLetter], *, skip: int | None = None
) -> Call[list[int]]:
    """Removes letters of one queue; gives what became of each, as `replay_letters` does."""
    args = (_or_unknown(skip), pack([letter.id for letter in letters]))
    return Call("purge_letters", (keys.base,), args, _read_codes)


class Move(Protocol):
    """Makes the call that moves some letters of a queue."""

    def __call__(
        self, keys: QueueKeys, letters: Sequence[DeadLetter], *, skip: int | None = None
    ) -> Call[list[int]]: ...


def _or_unknown(skip: int | None) -> int:
    return -1 if skip is None else skip


def _read_codes(reply: list[int]) -> list[int]:
    return reply


def _pack(letter: DeadLetter, queue: int) -> tuple[Any, ...]:
    origin = _read_origin(letter.job)
    assert origin is not None
    fields = [part for field in origin.get("fields", {}).items() for part in field]
    return (
        letter.id,
        queue,
        letter.from_id,
        letter.name,
        _cut_member(letter.job.data_json, "data") or False,
        _cut_member(letter.job.fields[DEAD_LETTER.encode()], "opts") or b"{}",
        origin.get("priority", 0),
        fields,
    )


def _read_origin(job: StoredJob) -> dict[str, Any] | None:
    raw = job.fields.get(DEAD_LETTER.encode())
    if raw is None:
        return None
    try:
        origin = decode_json(raw)
    except InvalidData:
        return None
    return origin if isinstance(origin, dict) else None


def _cut_member(raw: bytes, name: str) -> bytes | None:
    """Cuts a member's value out of a JSON object as it stands: not a digit may change."""
    # What JSON is built of is ASCII, so places in Latin-1 text are places in the bytes.
    text = raw.decode("latin-1")
    at = _skip(text, 0) + 1
    try:
        while True:
            key, at = _scan(text, _skip(text, at))
            start = _skip(text, text.index(":", at) + 1)
            _, at = _scan(text, start)
            if key == name:
                return raw[start:at]
            at = text.index(",", at) + 1
    except (ValueError, RecursionError):
        return None


def _skip(text: str, at: int) -> int:
    blank = _BLANK.match(text, at)
    return blank.end() if blank else at


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
