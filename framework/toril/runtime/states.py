"""The states of a job: what each means, and who moves a job out of it, when."""

from __future__ import annotations

from enum import StrEnum


class JobState(StrEnum):
    """Where a job is; each job is in exactly one state, each state is one Redis key."""

    #: Ready to run, first in first out, ahead of all priorities. A claim makes it active.
    WAITING = "waiting"
    #: Ready to run after the waiting ones, lowest priority number first. A claim makes it active.
    PRIORITIZED = "prioritized"
    #: Due later: added with a delay, or between two attempts. The first claim of any worker after
    #: that instant makes it waiting or prioritized; so does `promote`.
    DELAYED = "delayed"
    #: Claimed by a worker that holds its lock. The worker settles it: completed, failed, delayed or
    #: waiting again. If the lock runs out, a sweep gives it back to waiting.
    ACTIVE = "active"
    #: Has children that have not ended. The last child's end releases it to waiting, prioritized or
    #: delayed.
    WAITING_CHILDREN = "waiting-children"
    #: Ended well, with a result. Stays as long as the keep rule says; `retry` makes it waiting.
    COMPLETED = "completed"
    #: Ended badly, no attempt left. Stays as long as the keep rule says; `retry` makes it waiting.
    FAILED = "failed"
    #: In no state at all: removed, or never there.
    UNKNOWN = "unknown"


def parse_state(text: str) -> JobState:
    """Reads a state's name; raises ValueError."""
    try:
        return JobState(text)
    except ValueError as error:
        names = ", ".join(state.value for state in JobState if state is not JobState.UNKNOWN)
        raise ValueError(f"expected one of {names}, got {text!r}") from error


#: The states that no worker leaves by itself.
FINISHED = frozenset({JobState.COMPLETED, JobState.FAILED})
