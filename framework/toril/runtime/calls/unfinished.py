"""Unfinished work: what is left to do in the queues, read at one instant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from toril.runtime.call import Call
from toril.runtime.keys import QueueKeys


@dataclass(frozen=True, kw_only=True, slots=True)
class UnfinishedWork:
    """Jobs of one queue that have not ended, ticks that do not count left out."""

    queue: str
    is_paused: bool = False
    #: Waiting or prioritized.
    ready: int = 0
    delayed: int = 0
    active: int = 0
    waiting_children: int = 0
    #: When the first delayed job is due.
    due_ms: int | None = None

    @property
    def claimable(self) -> int:
        """Jobs that a worker takes, now or when they are due, unless the queue is paused."""
        return self.ready + self.delayed

    @property
    def total(self) -> int:
        """All of them."""
        return self.claimable + self.active + self.waiting_children


def read_unfinished(
    prefix: str, queues: Sequence[str], *, after_ms: int
) -> Call[list[UnfinishedWork]]:
    """Reads all queues in one step, so that a job that moves between two is never missed.

    Scheduler iterations whose tick is later than `after_ms` do not count.
    """

    def parse(reply: list[list[int]]) -> list[UnfinishedWork]:
        return [
            UnfinishedWork(
                queue=queue,
                is_paused=bool(paused),
                ready=ready,
                delayed=delayed,
                active=active,
                waiting_children=waiting_children,
                due_ms=due_ms or None,
            )
            for queue, (paused, ready, delayed, active, waiting_children, due_ms) in zip(
                queues, reply, strict=True
            )
        ]

    keys = tuple(key for queue in queues for key in _keys_of(QueueKeys(prefix, queue)))
    return Call("read_unfinished", keys, (after_ms,), parse)


def _keys_of(keys: QueueKeys) -> tuple[str, ...]:
    return (
        keys.wait,
        keys.paused,
        keys.active,
        keys.prioritized,
        keys.delayed,
        keys.waiting_children,
        keys.meta,
        keys.repeat,
    )
