"""A job type: which queue, which processor, and what happens when it fails or ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from toril.declarations.backoff import Backoff
from toril.declarations.dead_letter import DeadLetterRule


@dataclass(frozen=True, kw_only=True, slots=True)
class Retry:
    """When a failed attempt is followed by another one."""

    #: Starts in all, the first one included.
    attempts: int = 1
    backoff: Backoff | None = None
    #: Exception names or dotted paths, subclasses too; empty: every error.
    on: tuple[str, ...] = ()
    never_on: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class KeepRule:
    """How many finished jobs of one outcome stay, and for how long."""

    #: None keeps any number, 0 keeps none.
    count: int | None = None
    age_ms: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Keep:
    """What stays in Redis after the end."""

    completed: KeepRule = field(default_factory=lambda: KeepRule(count=1_000))
    failed: KeepRule = field(default_factory=lambda: KeepRule(count=10_000))


@dataclass(frozen=True, kw_only=True, slots=True)
class Unique:
    """What keeps a second job of a type out."""

    #: Text with `${{ }}` on `data`; None: all of the data.
    by: str | None = None
    #: None: until the job has finished.
    for_ms: int | None = None
    on_conflict: Literal["drop", "replace", "keep_last"] = "drop"


@dataclass(frozen=True, kw_only=True, slots=True)
class JobType:
    """What the YAML says of one job, defaults filled in."""

    name: str
    queue: str
    #: Name of the processor that a plugin supplies; None on a queue that another runtime serves.
    use: str | None = None
    #: The processor's fixed parameters (`with:`), secrets still unresolved.
    params: Mapping[str, Any] = field(default_factory=dict)
    data_schema: Mapping[str, Any] | bool | None = None
    retry: Retry = field(default_factory=Retry)
    timeout_ms: int | None = None
    #: 1 is the most urgent; 0 is none: first in, first out, ahead of all priorities.
    priority: int = 0
    #: None: `async` for coroutine functions, `thread` for plain ones.
    run_in: Literal["async", "thread", "process"] | None = None
    #: Memory that its process may hold, in bytes; only of jobs that run in one.
    max_memory: int | None = None
    #: Jobs that a process runs before another one takes its place.
    recycle_after: int = 1000
    keep: Keep = field(default_factory=Keep)
    unique: Unique | None = None
    #: How long after it is due a job may be started.
    expires_in_ms: int | None = None
    #: How long after it is due a job must have ended.
    deadline_ms: int | None = None
    order: Literal["fifo", "lifo"] = "fifo"
    #: Its own, or else its queue's.
    dead_letter: DeadLetterRule | None = None
