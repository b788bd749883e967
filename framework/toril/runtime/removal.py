"""Removing many jobs: draining, cleaning, obliterating, and jobs with all their children.

Each is a row of calls that never hold the server for long; `on_progress` is told after each call
how many jobs are gone.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from toril.errors import JobNotFound, WrongState
from toril.runtime.call import Call
from toril.runtime.calls.jobs import remove_job
from toril.runtime.calls.queues import pause, resume
from toril.runtime.calls.removal import (
    BATCH,
    Batch,
    ChildrenBatch,
    Obliterated,
    clean_batch,
    count_place,
    delete_keys,
    drain_batch,
    find_keys,
    obliterate_batch,
    remove_children_batch,
)
from toril.runtime.keys import QueueKeys, parse_job_key
from toril.runtime.progress import Progress, tell
from toril.runtime.states import JobState
from toril.runtime.steps import Steps

#: The keys that hold jobs of a state, BullMQ v5's too.
_PLACES: Final = {
    JobState.WAITING: ("wait", "paused"),
    JobState.PRIORITIZED: ("prioritized",),
    JobState.DELAYED: ("delayed",),
    JobState.ACTIVE: ("active",),
    JobState.COMPLETED: ("completed",),
    JobState.FAILED: ("failed",),
}

#: The states that `clean` knows.
CLEANABLE: Final = tuple(_PLACES)


def drain(
    keys: QueueKeys, *, delayed: bool = False, on_progress: Progress | None = None
) -> Steps[int]:
    """Removes all jobs that wait, the delayed ones if asked; gives how many.

    It looks at as many as there are when it begins with a state: others may add without end. The
    next ticks of schedules stay. So do active and finished jobs, and parents that wait.
    """
    states = [JobState.WAITING, JobState.PRIORITIZED, *([JobState.DELAYED] if delayed else [])]
    removed = 0
    for place in (place for state in states for place in _PLACES[state]):
        skip, ahead = 0, (yield count_place(keys, place))
        while ahead > 0:
            batch: Batch = yield drain_batch(keys, place, skip=skip, size=min(BATCH, ahead))
            removed += batch.removed
            skip += batch.left
            ahead = 0 if batch.is_last else ahead - batch.looked_at
            tell(on_progress, removed)
    return removed


def clean(
    keys: QueueKeys,
    state: JobState,
    *,
    latest_ms: int,
    limit: int | None = None,
    on_progress: Progress | None = None,
) -> Steps[list[str]]:
    """Removes jobs of a state to which nothing happened after `latest_ms`; gives their ids.

    The oldest go first, at most `limit`. It looks at as many as there are when it begins. Active
    jobs go only if nobody holds their lock; the next ticks of schedules stay.
    """
    if state not in _PLACES:
        raise ValueError(f"expected a state that can be cleaned, got {state.value!r}")
    removed: list[str] = []
    for place in _PLACES[state]:
        skip, ahead = 0, (yield count_place(keys, place))
        while ahead > 0 and (limit is None or len(removed) < limit):
            size = min(BATCH, ahead, ahead if limit is None else limit - len(removed))
            batch: Batch = yield clean_batch(keys, place, latest_ms=latest_ms, skip=skip, size=size)
            removed += batch.ids
            skip += batch.left
            ahead = 0 if batch.is_last else ahead - batch.looked_at
            tell(on_progress, len(removed))
    return removed


def obliterate(
    keys: QueueKeys, *, force: bool = False, on_progress: Progress | None = None
) -> Steps[int]:
    """Removes a queue with everything in it; gives how many jobs that were.

    It is paused first. Raises WrongState if jobs are active, unless `force` takes them too: their
    workers' results will be refused.
    """
    was_running = yield pause(keys)
    removed = 0
    while True:
        try:
            batch: Obliterated = yield obliterate_batch(keys, force=force)
        except WrongState:
            if was_running and not removed:
                yield resume(keys)
            raise
        removed += batch.removed
        tell(on_progress, removed)
        if batch.is_last:
            break
    yield from _delete_leftovers(keys)
    yield delete_keys(keys.meta)
    return removed


def _delete_leftovers(keys: QueueKeys) -> Steps[None]:
    """Deletes what no list or set names: deduplication ids, jobs behind them, keys of our own."""
    beginnings = tuple(keys.base + part for part in ("de:", "dn:", "meta:t:", "metrics:"))
    cursor = 0
    while True:
        cursor, found = yield find_keys(keys, cursor)
        leftovers = [name for name in found if name.startswith(beginnings)]
        if leftovers:
            yield delete_keys(*leftovers)
        if cursor == 0:
            return


def remove_family(keys: QueueKeys, job_id: str, *, with_children: bool = True) -> Steps[int]:
    """Removes a job, with all below it unless that is not wanted; gives how many jobs went.

    Up to a thousand jobs go at one instant, more in several calls, the job itself in the last.
    Raises JobNotFound, or WrongState when it or a job below it is active.
    """
    removed = 0
    while True:
        last: int | None = yield remove_job(keys, job_id, with_children=with_children)
        if last is not None:
            return removed + last
        removed += yield from _remove_some_children(keys, job_id)


def _remove_some_children(keys: QueueKeys, job_id: str) -> Steps[int]:
    """Removes children of the job, or of the first one below it that has few enough below."""
    removed, way = 0, {keys.job(job_id)}
    while True:
        batch: ChildrenBatch = yield remove_children_batch(keys, job_id, only_pending=False)
        if batch.locked:
            raise WrongState(f"job {batch.locked!r}, below the one to remove, is active")
        removed += batch.removed
        if not batch.too_large:
            break
        _check_is_new(batch.too_large, way)
        way.add(batch.too_large)
        keys, job_id = _place_of(batch.too_large)
    # Of children that were not kept only the parent knows: they count as looked at.
    if not batch.looked_at:
        raise WrongState(f"job {job_id!r} of queue {keys.queue!r} has too many jobs in one row")
    return removed


def remove_pending_children(keys: QueueKeys, job_id: str) -> Steps[int]:
    """Removes the children that have not ended and do not run, with all such below them.

    Gives how many jobs went. A job that waited for them alone is released.
    """
    removed, place, cursor = 0, (keys, job_id), 0
    # Above the one it is at: what has too many below it goes after these.
    above: dict[str, tuple[tuple[QueueKeys, str], int]] = {}
    while True:
        batch: ChildrenBatch = yield remove_children_batch(*place, only_pending=True, cursor=cursor)
        removed += batch.removed
        cursor = batch.cursor
        if batch.too_large:
            _check_is_new(batch.too_large, above)
            above[batch.too_large] = (place, cursor)
            place, cursor = _place_of(batch.too_large), 0
        elif batch.is_last:
            if not above:
                return removed
            removed += yield from _remove_if_there(remove_job(*place, with_children=False))
            _, (place, cursor) = above.popitem()


def _check_is_new(job_key: str, way: Collection[str]) -> None:
    if job_key in way:
        raise WrongState(f"job {job_key!r} is below itself")


def _remove_if_there(call: Call[int | None]) -> Steps[int]:
    try:
        return (yield call) or 0
    except (JobNotFound, WrongState):
        return 0


def _place_of(job_key: str) -> tuple[QueueKeys, str]:
    prefix, queue, job_id = parse_job_key(job_key)
    return QueueKeys(prefix, queue), job_id
