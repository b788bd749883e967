"""Calls that remove many jobs, each of them a batch that does not hold the server up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from toril.errors import JobNotFound, WrongState
from toril.runtime.call import Call
from toril.runtime.keys import QueueKeys

#: Jobs that one call looks at.
BATCH = 200

_LISTS = ("wait", "paused", "active")


@dataclass(frozen=True, slots=True)
class Batch:
    """What one call removed."""

    #: Ids, where they are told.
    ids: tuple[str, ...]
    removed: int
    looked_at: int
    #: How many of those it looked at stay; the next call has to pass them over.
    left: int
    #: Whether nothing is left to look at.
    is_last: bool


def count_place(keys: QueueKeys, state: str) -> Call[int]:
    """Counts what a state's key holds, by the key's name: as much is to be looked at."""
    name = "LLEN" if state in _LISTS else "ZCARD"
    return Call(None, (), (name, keys.base + state), int)


def drain_batch(keys: QueueKeys, state: str, *, skip: int, size: int = BATCH) -> Call[Batch]:
    """Removes the oldest jobs of `wait`, `paused`, `prioritized` or `delayed`."""

    def parse(reply: list[int]) -> Batch:
        removed, looked_at, left, is_last = reply
        return Batch((), removed, looked_at, left, bool(is_last))

    return Call("drain", (keys.base,), (state, skip, size), parse)


def clean_batch(
    keys: QueueKeys, state: str, *, latest_ms: int, skip: int, size: int = BATCH
) -> Call[Batch]:
    """Removes jobs of a state, by its key's name, to which nothing happened after `latest_ms`."""

    def parse(reply: list[Any]) -> Batch:
        raw, looked_at, left, is_last = reply
        ids = tuple(one.decode("utf-8", "replace") for one in raw)
        return Batch(ids, len(ids), looked_at, left, bool(is_last))

    return Call("clean", (keys.base,), (state, skip, size, latest_ms), parse)


@dataclass(frozen=True, slots=True)
class Obliterated:
    """What one call removed of a queue."""

    removed: int
    is_last: bool


def obliterate_batch(keys: QueueKeys, *, force: bool, size: int = BATCH) -> Call[Obliterated]:
    """Removes a part of a paused queue; raises WrongState if it runs jobs or is not paused."""

    def parse(reply: list[int]) -> Obliterated:
        if reply[0] == -1:
            raise WrongState(f"queue {keys.queue!r} is not paused; only a paused one can go")
        if reply[0] == -2:
            raise WrongState(
                f"queue {keys.queue!r} has active jobs; wait until they have ended, or use force"
            )
        return Obliterated(reply[0], bool(reply[1]))

    return Call("obliterate", (keys.base,), (size, int(force)), parse)


def find_keys(keys: QueueKeys, cursor: int) -> Call[tuple[int, list[str]]]:
    """Searches a part of all keys of the server for those that begin with the queue's base."""

    def parse(reply: Any) -> tuple[int, list[str]]:
        next_cursor, found = reply
        return int(next_cursor), [raw.decode("utf-8", "replace") for raw in found]

    return Call(None, (), ("SCAN", cursor, "MATCH", f"{_escape(keys.base)}*", "COUNT", 1000), parse)


def delete_keys(*names: str) -> Call[int]:
    """Deletes keys; large ones are freed behind the server's back."""
    return Call(None, (), ("UNLINK", *names), int)


@dataclass(frozen=True, slots=True)
class ChildrenBatch:
    """What one call removed of a job's children."""

    removed: int
    #: Where to go on.
    cursor: int
    #: The key of a child that runs, which stopped it.
    locked: str
    #: The key of a child that has too many below it to be removed in one call.
    too_large: str
    is_last: bool
    looked_at: int


def remove_children_batch(
    keys: QueueKeys, job_id: str, *, only_pending: bool, cursor: int = 0
) -> Call[ChildrenBatch]:
    """Removes children of a job; raises JobNotFound.

    `only_pending`: those that have not ended and do not run; the last releases the job. Otherwise
    all but the last pending one, which goes with the job.
    """

    def parse(reply: list[Any]) -> ChildrenBatch:
        if reply[0] == -1:
            raise JobNotFound(f"no job {job_id!r} in queue {keys.queue!r}")
        removed, next_cursor, locked, too_large, is_last, looked_at = reply
        return ChildrenBatch(
            removed=removed,
            cursor=int(next_cursor),
            locked=locked.decode(),
            too_large=too_large.decode(),
            is_last=bool(is_last),
            looked_at=looked_at,
        )

    return Call("remove_children", (keys.base,), (job_id, int(only_pending), cursor), parse)


def unlink_child(keys: QueueKeys, job_id: str) -> Call[bool]:
    """Makes a child a job by itself, gives False if nobody waits for it; raises JobNotFound."""

    def parse(reply: int) -> bool:
        if reply == -1:
            raise JobNotFound(f"no job {job_id!r} in queue {keys.queue!r}")
        if reply == -5:
            raise JobNotFound(f"the parent of job {job_id!r} of queue {keys.queue!r} is gone")
        return bool(reply)

    return Call("unlink_child", (keys.base,), (job_id,), parse)


def _escape(text: str) -> str:
    """Text as it stands, in a pattern."""
    return "".join(f"\\{one}" if one in "*?[]^\\" else one for one in text)
