"""Cancelling a job, wherever it is: written once for both clients."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from toril.clock import Clock
from toril.declarations.pipeline import Pipeline
from toril.errors import Cancelled, JobNotFound, WrongState
from toril.runtime.call import Call
from toril.runtime.calls.children import ChildStand
from toril.runtime.calls.jobs import read_job
from toril.runtime.calls.settle import pack_outcome
from toril.runtime.children import read_children
from toril.runtime.dead_letters import DeadLetters
from toril.runtime.job import StoredJob
from toril.runtime.keys import QueueKeys
from toril.runtime.outcomes import Settlement
from toril.runtime.packing import pack
from toril.runtime.steps import Steps
from toril.runtime.worker.decide import DEFAULT_KEEP, fail

#: More than any job has: that they are used up is not told of a job that is cancelled.
_NO_END = 2**31


#: A queue's keys and a job of that queue.
Place = tuple[QueueKeys, str]


class Cancelling(StrEnum):
    """What cancelling a job came to."""

    #: It had not begun, or waited for another attempt or for children; it has failed now.
    CANCELLED = "cancelled"
    #: It runs; its worker is told, and fails it when its processor has ended.
    TOLD = "told"
    #: It runs in another runtime, which does not listen, and ends as it ends there.
    ELSEWHERE = "elsewhere"


_ANSWERS = tuple(Cancelling)


def cancel(
    keys: QueueKeys,
    job_id: str,
    pipeline: Pipeline,
    *,
    reason: str | None = None,
    with_children: bool = False,
    clock: Clock,
) -> Steps[Cancelling]:
    """Cancels a job; raises JobNotFound, or WrongState for one that has finished.

    `with_children` cancels all below it, too, that has not finished: it goes first, so that none
    of them releases it. Says what became of the job itself.
    """
    below = (yield from _find_below(keys, job_id)) if with_children else []
    answer = yield from _cancel_one(keys, job_id, pipeline, reason, clock)
    yield from _cancel_below(below, pipeline, reason, clock)
    return answer


def cancel_many(
    places: Sequence[Place], pipeline: Pipeline, *, reason: str | None, clock: Clock
) -> Steps[None]:
    """Cancels those of some jobs that have not finished, in that order, then all below them."""
    below: list[Place] = []
    for place in places:
        below += yield from _find_below(*place)
    for place in places:
        yield from _cancel_if_unfinished(place, pipeline, reason, clock)
    yield from _cancel_below(below, pipeline, reason, clock)


def _find_below(keys: QueueKeys, job_id: str) -> Steps[list[Place]]:
    children = yield from read_children(keys, job_id, [ChildStand.PENDING])
    return [(QueueKeys(keys.prefix, child.queue), child.id) for child in children]


def _cancel_below(
    below: list[Place], pipeline: Pipeline, reason: str | None, clock: Clock
) -> Steps[None]:
    while below:
        place = below.pop()
        deeper = yield from _find_below(*place)
        yield from _cancel_if_unfinished(place, pipeline, reason, clock)
        below += deeper


def _cancel_if_unfinished(
    place: Place, pipeline: Pipeline, reason: str | None, clock: Clock
) -> Steps[None]:
    try:
        yield from _cancel_one(*place, pipeline, reason, clock)
    except (JobNotFound, WrongState):
        pass  # It has ended meanwhile.


def _cancel_one(
    keys: QueueKeys, job_id: str, pipeline: Pipeline, reason: str | None, clock: Clock
) -> Steps[Cancelling]:
    job: StoredJob | None = yield read_job(keys, job_id)
    if job is None:
        raise JobNotFound(f"no job {job_id!r} in queue {keys.queue!r}")
    now_ms = clock.now_ms()
    outcome = _build_outcome(pipeline, job, reason, now_ms)
    answer: Cancelling = yield cancel_job(keys, job_id, outcome, now_ms=now_ms)
    return answer


def cancel_job(
    keys: QueueKeys, job_id: str, outcome: Settlement, *, now_ms: int
) -> Call[Cancelling]:
    """Fails a job that does not run with this outcome, or tells the worker of one that does."""
    where = f"job {job_id!r} of queue {keys.queue!r}"

    def parse(reply: list[Any]) -> Cancelling:
        code = reply[0]
        if code == -1:
            raise JobNotFound(f"no job {job_id!r} in queue {keys.queue!r}")
        if code == -3:
            state = reply[1].decode()
            raise WrongState(f"{where} is {state}; only an unfinished job can be cancelled")
        if code == -8:
            raise WrongState(f"{where} is a schedule's next tick; pause or remove the schedule")
        answer: Cancelling = _ANSWERS[code]
        return answer

    args = (now_ms, job_id, pack(pack_outcome(keys, outcome)), keys.cancel_channel())
    return Call("cancel_job", (keys.base,), args, parse)


def word_reason(reason: str | None) -> str:
    """Gives what a cancelled job fails with."""
    return f"cancelled: {reason}" if reason else "cancelled"


def _build_outcome(
    pipeline: Pipeline, job: StoredJob, reason: str | None, now_ms: int
) -> Settlement:
    job_type = pipeline.jobs.get(job.name)
    keep = DEFAULT_KEEP if job_type is None else job_type.keep
    outcome = fail(job, Cancelled(word_reason(reason)), attempts=_NO_END, keep=keep)
    return DeadLetters(pipeline).attach(job, outcome, now_ms=now_ms)
