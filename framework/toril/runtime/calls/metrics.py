"""The call that reads how many jobs of a queue finished, minute by minute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from toril.runtime.call import Call
from toril.runtime.keys import QueueKeys


@dataclass(frozen=True, kw_only=True, slots=True)
class Metrics:
    """How many jobs completed, or failed, since the queue's workers began to count."""

    count: int
    #: Jobs per minute, the newest minute first; the one that runs is not among them.
    per_minute: tuple[int, ...]
    #: How many minutes there are, of which `per_minute` may be a part.
    minutes: int
    #: When a job finished that closed the newest minute; None if none did yet.
    counted_at_ms: int | None


def read_metrics(
    keys: QueueKeys, kind: Literal["completed", "failed"], *, first: int = 0, last: int = -1
) -> Call[Metrics]:
    """Reads the metrics of completed or of failed jobs; 0 is the newest minute, -1 the oldest."""
    if kind not in ("completed", "failed"):
        raise ValueError(f"expected completed or failed, got {kind!r}")

    def parse(reply: list[Any]) -> Metrics:
        count, counted_at, per_minute, minutes = reply
        return Metrics(
            count=int(count),
            per_minute=tuple(int(one) for one in per_minute),
            minutes=minutes,
            counted_at_ms=int(counted_at) if counted_at else None,
        )

    return Call("read_metrics", (keys.base,), (kind, first, last), parse)
