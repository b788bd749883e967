"""Reading all children of a job, page by page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import Any

from toril.runtime.call import Call
from toril.runtime.calls.children import Child, ChildPage, ChildStand, list_children
from toril.runtime.keys import QueueKeys

ALL_STANDS = tuple(ChildStand)

_Reading = Generator[Call[ChildPage], ChildPage, list[Child]]


async def read_children(
    send: Callable[[Call[ChildPage]], Awaitable[ChildPage]],
    keys: QueueKeys,
    job_id: str,
    stands: Sequence[ChildStand] = ALL_STANDS,
) -> list[Child]:
    """Gives the children of a job, each once; they may end while they are read."""
    reading = _read(keys, job_id, stands)
    call = next(reading)
    while True:
        page = await send(call)
        try:
            call = reading.send(page)
        except StopIteration as end:
            return _as_children(end.value)


def read_children_sync(
    send: Callable[[Call[ChildPage]], ChildPage],
    keys: QueueKeys,
    job_id: str,
    stands: Sequence[ChildStand] = ALL_STANDS,
) -> list[Child]:
    """Gives the children of a job, blocking; otherwise as `read_children`."""
    reading = _read(keys, job_id, stands)
    call = next(reading)
    while True:
        page = send(call)
        try:
            call = reading.send(page)
        except StopIteration as end:
            return _as_children(end.value)


def _read(keys: QueueKeys, job_id: str, stands: Sequence[ChildStand]) -> _Reading:
    """Asks for pages. A child that ends meanwhile stands where it was seen last."""
    found: dict[tuple[str, str], Child] = {}
    for stand in stands:
        cursor = -1
        while cursor != 0:
            page = yield list_children(keys, job_id, stand, cursor=max(cursor, 0))
            found.update({(child.queue, child.id): child for child in page.children})
            cursor = page.cursor
    return list(found.values())


def _as_children(value: Any) -> list[Child]:
    children: list[Child] = value
    return children
