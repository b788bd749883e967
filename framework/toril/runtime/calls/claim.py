"""Who claims, and what a claim gives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from toril.declarations.units import Rate
from toril.runtime.job import ClaimedJob
from toril.runtime.own_fields import OWNER, format_owner

_OWNER = OWNER.encode()


@dataclass(frozen=True, slots=True)
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


def read_claimed(queue: str, packed: Iterable[Any]) -> list[ClaimedJob]:
    """Reads jobs as scripts give them: {id, fields, attempts started, children's results}."""
    return [_read_one(queue, *job) for job in packed]


def _read_one(
    queue: str, raw_id: bytes, flat: list[bytes], started: int, children: Any
) -> ClaimedJob:
    fields = _pairs(flat)
    fields[b"ats"] = b"%d" % started
    results = _pairs(children) if children else None
    return ClaimedJob(queue, raw_id.decode("utf-8", "replace"), fields, results)


def read_started(
    queue: str, packed: Iterable[Any], *, owner: Owner, now_ms: int
) -> list[ClaimedJob]:
    """Reads jobs that a script just started; it read their fields a moment before that."""
    jobs = read_claimed(queue, packed)
    processed_on = b"%d" % now_ms
    for job in jobs:
        fields: Any = job.fields
        fields[b"processedOn"] = processed_on
        fields[_OWNER] = format_owner(owner.token, job.attempts_started).encode()
        if owner.worker:
            fields[b"pb"] = owner.worker.encode()
    return jobs


def _pairs(flat: list[bytes]) -> dict[bytes, bytes]:
    items = iter(flat)
    return dict(zip(items, items, strict=True))
