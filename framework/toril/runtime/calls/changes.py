"""Calls that change a job where it is: its delay, its priority, its log."""

from __future__ import annotations

from typing import Any

from toril.declarations.backoff import MAX_DELAY_MS
from toril.errors import JobNotFound, WrongState
from toril.runtime.call import Call
from toril.runtime.calls.add import MAX_PRIORITY
from toril.runtime.keys import QueueKeys


def change_delay(keys: QueueKeys, job_id: str, delay_ms: int, *, now_ms: int) -> Call[None]:
    """Makes a delayed job due so long from now; the reply raises JobNotFound or WrongState."""
    if not 0 <= delay_ms <= MAX_DELAY_MS:
        raise ValueError(f"expected a delay of at most ten years, got {delay_ms} ms")

    def parse(reply: list[Any]) -> None:
        if reply[0] == -1:
            raise JobNotFound(f"no job {job_id!r} in queue {keys.queue!r}")
        if reply[0] == -3:
            raise WrongState(
                f"job {job_id!r} of queue {keys.queue!r} is {reply[1].decode()}; "
                "only a delayed job's delay can be changed"
            )

    return Call("change_delay", (keys.base,), (now_ms, job_id, delay_ms), parse)


def change_priority(
    keys: QueueKeys, job_id: str, priority: int, *, lifo: bool = False
) -> Call[None]:
    """Gives a job another priority, 0 for none; the reply raises JobNotFound.

    A job that is ready to run goes behind the others of the priority, `lifo`: ahead of them.
    """
    if type(priority) is not int or not 0 <= priority <= MAX_PRIORITY:
        raise ValueError(f"expected a priority from 0 to {MAX_PRIORITY}, got {priority!r}")

    def parse(reply: int) -> None:
        if reply == -1:
            raise JobNotFound(f"no job {job_id!r} in queue {keys.queue!r}")

    return Call("change_priority", (keys.base,), (job_id, priority, int(lifo)), parse)


def clear_logs(keys: QueueKeys, job_id: str, *, keep: int = 0) -> Call[None]:
    """Deletes a job's log lines but the newest `keep`."""
    if keep < 0:
        raise ValueError(f"expected to keep 0 lines or more, got {keep}")
    logs = keys.logs(job_id)
    args = ("LTRIM", logs, -keep, -1) if keep else ("DEL", logs)
    return Call(None, (), args, lambda _: None)
