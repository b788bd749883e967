"""Starts runs that are too large for one call."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from msgspec import structs

from toril.clock import Clock
from toril.runtime.calls.add import Added, add_jobs
from toril.runtime.calls.runs import NOT_STARTED, read_hold, release_run
from toril.runtime.chunks import cut_into_chunks
from toril.runtime.job import NewJob
from toril.runtime.keys import QueueKeys
from toril.runtime.own_fields import HELD
from toril.runtime.steps import Steps


def is_large(jobs: Sequence[NewJob]) -> bool:
    """Tells whether a run's jobs are more than one call takes."""
    return len(next(cut_into_chunks(jobs))) < len(jobs)


def start_in_batches(prefix: str, jobs: Sequence[NewJob], clock: Clock) -> Steps[bool]:
    """Stores a run's jobs batch by batch, each held back, and starts it when all are there.

    Until then nothing of it runs; what a start left that did not come to its end is completed.
    Each call may be sent twice. Gives whether this start started the run, rather than one before.
    """
    first = QueueKeys(prefix, jobs[0].queue), jobs[0].id
    held = [structs.replace(job, is_held=True) for job in jobs]
    held[0] = structs.replace(held[0], own={**held[0].own, HELD: NOT_STARTED})
    for number, chunk in enumerate(cut_into_chunks(held)):
        added: list[Added] = yield add_jobs(prefix, chunk, now_ms=clock.now_ms())
        if number == 0 and not added[0].created:
            is_held: bool = yield read_hold(*first)
            if not is_held:
                return False
    is_ours: bool = yield release_run(prefix, jobs, starter=uuid.uuid4().hex)
    return is_ours
