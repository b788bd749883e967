"""Calls on the children of a job: which there are, how each ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from toril.runtime.call import Call
from toril.runtime.calls.jobs import Ending
from toril.runtime.codec import decode_json
from toril.runtime.keys import QueueKeys, parse_job_key
from toril.runtime.states import JobState

_NOT_KEPT = "it failed, and its job is not kept"
#: Children that one call reads, about.
PAGE = 500


class ChildStand(StrEnum):
    """Where a child is, as its parent knows it."""

    #: Has not ended, or failed with a parent that waits on (`on_failure: wait`).
    PENDING = "pending"
    #: Ended well, with a result.
    COMPLETED = "completed"
    #: Failed, and the parent goes on without it.
    IGNORED = "ignored"
    #: Failed, and so does the parent.
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Child:
    """A job that another one waits for, or waited for."""

    queue: str
    id: str
    stand: ChildStand
    #: Of a completed one.
    result: Any = None
    #: Why it failed; kept only of an ignored one.
    reason: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ChildCounts:
    """How many children of a job there are in each stand."""

    pending: int
    completed: int
    ignored: int
    failed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemCounts:
    """How many items a step of a flow has, and how they stand."""

    total: int
    pending: int
    completed: int
    #: Failed, whether that counts or not, or their jobs were removed.
    failed: int


@dataclass(frozen=True, slots=True)
class ChildPage:
    """Some of a job's children; a child may come twice, on two pages."""

    children: list[Child]
    #: Where the next page begins; 0 after the last.
    cursor: int


def list_note_calls(keys: QueueKeys, job_id: str, child_key: str) -> list[Call[Any]]:
    """Gives calls whose replies `read_note` takes: what a job knows of a child that has ended."""
    return [
        Call(None, (), ("HGET", keys.processed(job_id), child_key), _as_is),
        Call(None, (), ("HGET", keys.ignored_failures(job_id), child_key), _as_is),
        is_failed_by(keys, job_id, child_key),
    ]


def read_note(replies: Sequence[Any]) -> Ending | None:
    """Gives how a child ended whose job is gone; None: not known."""
    result, ignored, failed = replies
    if result is not None:
        return Ending(JobState.COMPLETED, result)
    if ignored is not None:
        return Ending(JobState.FAILED, reason=ignored.decode("utf-8", "replace"))
    return Ending(JobState.FAILED, reason=_NOT_KEPT) if failed else None


def is_failed_by(keys: QueueKeys, job_id: str, child_key: str) -> Call[bool]:
    """Tells whether a child's failure failed a job."""

    def parse(score: Any) -> bool:
        return score is not None

    return Call(None, (), ("ZSCORE", keys.unsuccessful(job_id), child_key), parse)


def _as_is(reply: Any) -> Any:
    return reply


def count_children(keys: QueueKeys, job_id: str) -> Call[ChildCounts]:
    """Counts a job's children; all are 0 for a job that has none, or is not there."""

    def parse(reply: list[int]) -> ChildCounts:
        pending, completed, ignored, failed = reply
        return ChildCounts(pending=pending, completed=completed, ignored=ignored, failed=failed)

    return Call("count_children", (keys.base,), (job_id,), parse)


def count_items(keys: QueueKeys, job_id: str, needed: Sequence[str]) -> Call[ItemCounts | None]:
    """Counts the items of a step, which needs the jobs of the keys `needed`; None: not all are
    there yet."""

    def parse(reply: list[int]) -> ItemCounts | None:
        if not reply:
            return None
        total, pending, completed = reply
        failed = total - pending - completed
        return ItemCounts(total=total, pending=pending, completed=completed, failed=failed)

    return Call("count_items", (keys.base,), (job_id, *needed), parse)


def let_go(keys: QueueKeys, job_id: str, children: Sequence[str]) -> Call[int]:
    """Has a job that runs wait no more for children, given by their keys; they run on."""
    return Call("let_go", (keys.base,), (job_id, *children), int)


def list_children(
    keys: QueueKeys, job_id: str, stand: ChildStand, *, cursor: int = 0
) -> Call[ChildPage]:
    """Lists a page of a job's children in one stand."""
    command, key, read = _WHERE[stand]

    def parse(reply: Any) -> ChildPage:
        following, items = reply
        return ChildPage([read(item) for item in _items(items)], int(following))

    return Call(None, (), (command, key(keys, job_id), cursor, "COUNT", PAGE), parse)


def _items(found: Any) -> list[Any]:
    return list(found.items()) if isinstance(found, dict) else list(found)


def _read_pending(key: bytes) -> Child:
    return _child(key, ChildStand.PENDING)


def _read_completed(item: tuple[bytes, bytes]) -> Child:
    return _child(
        item[0], ChildStand.COMPLETED, result=decode_json(item[1], f"result of {item[0]!r}")
    )


def _read_ignored(item: tuple[bytes, bytes]) -> Child:
    return _child(item[0], ChildStand.IGNORED, reason=item[1].decode("utf-8", "replace"))


def _read_failed(item: tuple[bytes, float]) -> Child:
    return _child(item[0], ChildStand.FAILED)


def _child(raw_key: bytes, stand: ChildStand, **more: Any) -> Child:
    _, queue, job_id = parse_job_key(raw_key.decode("utf-8", "replace"))
    return Child(queue=queue, id=job_id, stand=stand, **more)


_WHERE: dict[ChildStand, tuple[str, Callable[[QueueKeys, str], str], Callable[[Any], Child]]] = {
    ChildStand.PENDING: ("SSCAN", QueueKeys.dependencies, _read_pending),
    ChildStand.COMPLETED: ("HSCAN", QueueKeys.processed, _read_completed),
    ChildStand.IGNORED: ("HSCAN", QueueKeys.ignored_failures, _read_ignored),
    ChildStand.FAILED: ("ZSCAN", QueueKeys.unsuccessful, _read_failed),
}
