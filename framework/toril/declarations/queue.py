"""A queue: one line of jobs and how it is worked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from toril.declarations.dead_letter import DeadLetterRule
from toril.declarations.units import Rate


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyLimit:
    """What each key of a queue's jobs may have on its own."""

    #: Text with `${{ }}` on `data`.
    key: str
    max_active: int | None = None
    rate: Rate | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Queue:
    """What the YAML says of one queue, defaults filled in."""

    name: str
    #: Jobs that run at once in one worker process.
    concurrency: int = 10
    #: `external`: another runtime works this queue; Toril only adds to it and looks on.
    served_by: Literal["toril", "external"] = "toril"
    #: How long a lock lasts unless it is renewed.
    lock_ms: int = 30_000
    #: How often the queue is searched for active jobs whose lock ran out.
    stalled_every_ms: int = 30_000
    #: How many times a job may stall before it is failed.
    stalled_limit: int = 3
    #: Largest data a job may carry, in bytes of its JSON.
    max_payload: int = 1_048_576
    #: For how many minutes finished jobs are counted, minute by minute; 0: not at all.
    metrics_minutes: int = 0
    #: Jobs that are active at once, and that start per time, over all workers.
    max_active: int | None = None
    rate_limit: Rate | None = None
    #: Limits per key; a job may be bound by several.
    limits: tuple[KeyLimit, ...] = ()
    #: Where jobs that fail for good leave a copy.
    dead_letter: DeadLetterRule | None = None
