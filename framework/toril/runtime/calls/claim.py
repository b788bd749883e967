"""Who claims, and what a claim gives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from toril.declarations.units import Rate
from toril.runtime.job import ClaimedJob
from toril.runtime.own_fields import OWNER, format_owner
from toril.runtime.packing import pack

_OWNER = OWNER.encode()


@dataclass(frozen=True)
class Owner:
    """A worker as its locks know it."""

    token: str
    lock_ms: int
    #: Its name, which dashboards show; no spaces.
    worker: str | None = None
    #: Starts over all workers that it allows, as BullMQ's `limiter` of a worker.
    rate: Rate | None = None
    #: For how many minutes finished jobs are counted; 0: not at all.
    metrics_minutes: int = 0

    @cached_property
    def packed(self) -> bytes:
        """As `settle_and_claim` takes it; packed once, for a worker sends it with every call."""
        owner = {
            "token": self.token,
            "lock_ms": self.lock_ms,
            "worker": self.worker or "",
            "minutes": self.metrics_minutes,
        }
        if self.rate is not None:
            owner |= {"max": self.rate.count, "duration": self.rate.per_ms}
        return pack(owner)


def read_claimed(queue: str, packed: Iterable[Any]) -> list[ClaimedJob]:
    """Reads jobs as scripts give them: {id, fields, attempts started, children's results}."""
    return [_read_one(queue, *job) for job in packed]


def _read_one(
    queue: str, raw_id: bytes, flat: list[bytes], started: int, children: Any
) -> ClaimedJob:
    fields = _pairs([*flat, b"ats", b"%d" % started])
    results = _pairs(children) if children else {}
    return ClaimedJob(queue, raw_id.decode("utf-8", "replace"), fields, children=results)


def read_started(
    queue: str, packed: Iterable[Any], *, owner: Owner, now_ms: int
) -> list[ClaimedJob]:
    """Reads jobs that a script just started; it read their fields a moment before that."""
    stored = [b"processedOn", b"%d" % now_ms]
    if owner.worker:
        stored += b"pb", owner.worker.encode()
    jobs = []
    for raw_id, flat, started, children in packed:
        flat += (_OWNER, format_owner(owner.token, started).encode(), *stored)
        jobs.append(_read_one(queue, raw_id, flat, started, children))
    return jobs


def _pairs(flat: list[bytes]) -> dict[bytes, bytes]:
    items = iter(flat)
    # Without `strict`, which alone would cost a third more.
    return dict(zip(items, items))  # noqa: B905 - a hash's reply is even
