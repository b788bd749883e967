"""Calls that move many jobs of a queue by hand, a bounded batch in each."""

from __future__ import annotations

from dataclasses import dataclass

from toril.runtime.call import Call
from toril.runtime.keys import QueueKeys
from toril.runtime.states import JobState

#: Jobs that one call moves, so that it does not keep the server from others for long.
BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Promoted:
    """How many jobs a call promoted, and how many are delayed still."""

    count: int
    left: int


@dataclass(frozen=True, slots=True)
class RetriedMany:
    """What a call did with the finished jobs that it looked at."""

    retried: int
    #: They need a child that failed, which has to be retried before them.
    refused: int
    looked_at: int


def promote_many(keys: QueueKeys, *, count: int = BATCH) -> Call[Promoted]:
    """Makes the delayed jobs that are due first ready now, at most BATCH."""
    args = (min(count, BATCH),)
    return Call("promote_many", (keys.base,), args, lambda reply: Promoted(*map(int, reply)))


def retry_many(
    keys: QueueKeys,
    state: JobState,
    *,
    now_ms: int,
    finished_by_ms: int,
    passed: int = 0,
    count: int = BATCH,
    fresh_attempts: bool = True,
) -> Call[RetriedMany]:
    """Runs jobs that failed, or completed, by an instant again; the oldest first, at most BATCH.

    `passed`: as many as were refused before are passed over; they are still there.
    """
    check_finished(state)
    batch = min(count, BATCH)
    args = (now_ms, state.value, finished_by_ms, passed, batch, int(fresh_attempts))
    return Call("retry_many", (keys.base,), args, lambda reply: RetriedMany(*map(int, reply)))


def check_finished(state: JobState) -> None:
    """Raises ValueError unless jobs in this state have finished."""
    if state not in (JobState.FAILED, JobState.COMPLETED):
        raise ValueError(f"expected failed or completed, got {str(state)!r}")
