"""Counts the death of a worker process against the job that ran in it."""

from __future__ import annotations

from toril.runtime.call import Call
from toril.runtime.keys import QueueKeys


def blame(keys: QueueKeys, token: str, job_id: str, *, limit: int, reason: str) -> Call[int]:
    """Adds a stall to a job that a token still owns, and gives how many it has; 0 if it is not.

    Over the limit the next worker fails it with the reason, without running it. The job stays
    active: whoever blames it runs it again or hands it back.
    """
    return Call("blame", (keys.base,), (token, job_id, limit, reason), int)
