"""Calls on runs of flows that are stored in several calls before they start."""

from __future__ import annotations

from collections.abc import Sequence

from toril.runtime.call import Call
from toril.runtime.job import NewJob
from toril.runtime.keys import QueueKeys
from toril.runtime.own_fields import HELD
from toril.runtime.packing import pack

#: The value of HELD while a run is not started.
NOT_STARTED = "1"


def read_hold(keys: QueueKeys, first_id: str) -> Call[bool]:
    """Tells whether the run of which this job was stored first waits to be started."""

    def parse(reply: bytes | None) -> bool:
        return reply == NOT_STARTED.encode()

    return Call(None, (), ("HGET", keys.job(first_id), HELD), parse)


def release_run(prefix: str, jobs: Sequence[NewJob], *, starter: str) -> Call[bool]:
    """Starts a run whose jobs are all stored, `jobs`, the one that holds it first.

    Gives whether this `starter` did it, rather than one before; may come twice.
    """
    queues = list(dict.fromkeys(job.queue for job in jobs))
    numbers = {queue: number for number, queue in enumerate(queues, 1)}
    ready = [
        (numbers[job.queue], job.id, job.priority) for job in jobs if not job.waits_for_children
    ]
    first = jobs[0]
    return Call(
        "release_run",
        tuple(QueueKeys(prefix, queue).base for queue in queues),
        (numbers[first.queue], first.id, starter, pack(ready)),
        bool,
    )
