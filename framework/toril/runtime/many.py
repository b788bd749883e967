"""Moving many jobs of a queue by hand: rows of calls that never hold the server for long."""

from __future__ import annotations

from dataclasses import dataclass

from toril.clock import Clock
from toril.runtime.calls.many import (
    BATCH,
    Promoted,
    RetriedMany,
    check_finished,
    promote_many,
    retry_many,
)
from toril.runtime.keys import QueueKeys
from toril.runtime.progress import Progress, tell
from toril.runtime.states import JobState
from toril.runtime.steps import Steps


@dataclass(frozen=True, slots=True)
class RetriedJobs:
    """How many finished jobs run again."""

    retried: int
    #: They stay: children that failed them are in other queues, and have to be retried first.
    refused: int


def promote_all(keys: QueueKeys, *, on_progress: Progress | None = None) -> Steps[int]:
    """Makes all jobs ready that are delayed when it begins; gives how many."""
    batch: Promoted = yield promote_many(keys)
    promoted = batch.count
    # Others may be delayed meanwhile, without end.
    for _ in range(-(-batch.left // BATCH)):
        tell(on_progress, promoted)
        batch = yield promote_many(keys)
        promoted += batch.count
    tell(on_progress, promoted)
    return promoted


def retry_all(
    keys: QueueKeys,
    state: JobState = JobState.FAILED,
    *,
    clock: Clock,
    finished_by_ms: int | None = None,
    limit: int | None = None,
    fresh_attempts: bool = True,
    on_progress: Progress | None = None,
) -> Steps[RetriedJobs]:
    """Runs jobs again that failed, or completed, until an instant, or until it begins.

    The oldest go first, at most `limit`. Raises ValueError for a state that is no end.
    """
    check_finished(state)
    last_ms = clock.now_ms() if finished_by_ms is None else finished_by_ms
    retried = refused = 0
    while limit is None or retried < limit:
        count = BATCH if limit is None else min(BATCH, limit - retried)
        batch: RetriedMany = yield retry_many(
            keys,
            state,
            now_ms=clock.now_ms(),
            finished_by_ms=last_ms,
            passed=refused,
            count=count,
            fresh_attempts=fresh_attempts,
        )
        retried += batch.retried
        refused += batch.refused
        tell(on_progress, retried)
        if batch.looked_at < count:
            break
    return RetriedJobs(retried, refused)
