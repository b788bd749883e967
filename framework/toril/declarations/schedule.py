"""A schedule: adds a job or starts a flow by the clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

#: How late a tick may start, by the mode of `catch_up`, where no window says so.
LATEST_MS: Mapping[str, int | None] = {"none": 60_000, "last": None, "all": 86_400_000}


class Overlap(Enum):
    """What a tick does while the work of a former one is not finished."""

    #: It runs beside that.
    ALLOW = "allow"
    #: It does not run.
    SKIP = "skip"
    #: It waits; ticks meanwhile are missed.
    QUEUE = "queue"


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """What the YAML says of one schedule; exactly one of cron, every_ms, at_ms and of job, flow."""

    name: str
    cron: str | None = None
    every_ms: int | None = None
    #: One tick only, at this instant (ms since the epoch).
    at_ms: int | None = None
    #: IANA name; always stored, so that every worker computes the same tick.
    timezone: str = "UTC"
    job: str | None = None
    flow: str | None = None
    #: The job's data, or the flow's inputs.
    data: Mapping[str, Any] = field(default_factory=dict)
    #: None: the job type's own.
    #: Text is one `${{ }}`, for schedules with a `foreach`.
    priority: int | str | None = None
    #: The source whose items each tick adds a job for.
    foreach: str | None = None
    #: Text with `${{ }}`: the id of an item's job.
    job_id: str | None = None
    #: No tick comes before the one or after the other.
    start_ms: int | None = None
    end_ms: int | None = None
    #: How many ticks there are in all.
    limit: int | None = None
    #: Each tick's job is due up to so much later.
    jitter_ms: int = 0
    #: How late a tick may start; None: however late.
    latest_ms: int | None = None
    #: Whether each missed tick runs that is not too late, instead of one for all of them.
    catches_up: bool = False
    #: What a tick does while the work of a former one is not finished.
    overlap: Overlap = Overlap.ALLOW
    enabled: bool = True
