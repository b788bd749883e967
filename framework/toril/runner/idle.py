"""Decides whether a pipeline that runs until idle has anything left to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from toril.runtime.calls.unfinished import UnfinishedWork


class Verdict(StrEnum):
    """What is left."""

    #: Something runs, waits or will be due.
    BUSY = "busy"
    #: Nothing is left.
    IDLE = "idle"
    #: What is left waits for a paused queue, so nothing moves any more.
    STUCK = "stuck"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict, and the paused queue that a stuck one is about."""

    verdict: Verdict
    stuck_in: UnfinishedWork | None = None


def judge(work: Sequence[UnfinishedWork]) -> Judgement:
    """Judges the unfinished work of all queues at one instant.

    Parents that wait for children move only when something else does.
    """
    if not any(queue.total for queue in work):
        return Judgement(Verdict.IDLE)
    moving = any(queue.active or (queue.claimable and not queue.is_paused) for queue in work)
    paused = [queue for queue in work if queue.is_paused and queue.claimable]
    if moving or not paused:
        return Judgement(Verdict.BUSY)
    return Judgement(Verdict.STUCK, max(paused, key=lambda queue: queue.claimable))
