"""Calls on single jobs: reading them, changing them, moving them by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from toril.errors import JobNotFound, WrongState
from toril.runtime.call import Arg, Call
from toril.runtime.job import StoredJob
from toril.runtime.keys import QueueKeys
from toril.runtime.states import JobState

#: Jobs that one call reads.
MAX_PAGE = 1_000
#: Log lines that stay when nothing else is asked, so that a job that never ends cannot fill Redis.
MAX_LOG_LINES = 10_000
#: Characters; a longer line is cut.
MAX_LOG_LINE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Ending:
    """Where a job is and, once it has finished, how it ended."""

    state: JobState
    #: JSON, of a completed job.
    result: bytes | None = None
    #: Of a failed job.
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class FoundJob:
    """A job and the state it is in."""

    job: StoredJob
    state: JobState


def read_job(keys: QueueKeys, job_id: str) -> Call[StoredJob | None]:
    """Reads a job; None when there is none of that id."""

    def parse(reply: Any) -> StoredJob | None:
        return StoredJob(keys.queue, job_id, reply) if reply else None

    return Call(None, (), ("HGETALL", keys.job(job_id)), parse)


def read_jobs(keys: QueueKeys, job_ids: Sequence[str]) -> Call[list[FoundJob | None]]:
    """Reads jobs with their states; None for each that does not exist."""

    def parse(reply: list[Any]) -> list[FoundJob | None]:
        return [
            FoundJob(_to_job(keys, job_id, found[1]), JobState(found[0].decode()))
            if found
            else None
            for job_id, found in zip(job_ids, reply, strict=True)
        ]

    return Call("read_jobs", (keys.base,), tuple(job_ids), parse)


def read_state(keys: QueueKeys, job_id: str) -> Call[Ending]:
    """Tells where a job is and how it ended; the reply raises JobNotFound if it does not exist."""

    def parse(reply: list[Any]) -> Ending:
        state, result, reason = reply
        if not state:
            _refuse_missing(keys, job_id)
        text = None if reason is None else reason.decode("utf-8", "replace")
        return Ending(JobState(state.decode()), result, text)

    return Call("read_state", (keys.base,), (job_id,), parse)


def list_jobs(
    keys: QueueKeys, state: JobState, *, first: int = 0, count: int = 50, newest_first: bool = True
) -> Call[list[StoredJob]]:
    """Lists a page of the jobs in one state, at most MAX_PAGE."""
    call = find_jobs(keys, [state], first=first, count=count, newest_first=newest_first)

    def parse(reply: Any) -> list[StoredJob]:
        return [found.job for found in call.parse(reply)]

    return Call(call.script, call.keys, call.args, parse)


def find_jobs(
    keys: QueueKeys,
    states: Sequence[JobState],
    *,
    first: int = 0,
    count: int = 50,
    newest_first: bool = True,
) -> Call[list[FoundJob]]:
    """Lists a page of the jobs in each of some states, one state after the other.

    The page is cut so that all of them together have at most MAX_PAGE.
    """
    if JobState.UNKNOWN in states:
        raise ValueError("expected a state that jobs can be listed by, got 'unknown'")
    count = min(count, MAX_PAGE // max(len(states), 1))
    if count <= 0 or first < 0 or not states:
        return Call(None, (), ("PING",), lambda _: [])

    def parse(reply: list[Any]) -> list[FoundJob]:
        return [
            FoundJob(_to_job(keys, job_id.decode(), fields), JobState(state.decode()))
            for job_id, fields, state in reply
        ]

    names = ",".join(dict.fromkeys(state.value for state in states))
    args = (names, first, first + count - 1, int(newest_first))
    return Call("list_jobs", (keys.base,), args, parse)


def get_logs(keys: QueueKeys, job_id: str, *, first: int = 0, last: int = -1) -> Call[list[str]]:
    """Reads a job's log lines, oldest first; negative numbers count from the newest."""

    def parse(reply: list[bytes]) -> list[str]:
        return [line.decode("utf-8", "replace") for line in reply]

    return Call(None, (), ("LRANGE", keys.logs(job_id), first, last), parse)


def promote(keys: QueueKeys, job_id: str) -> Call[None]:
    """Makes a delayed job ready; the reply raises JobNotFound or WrongState."""

    def parse(reply: list[Any]) -> None:
        if reply[0] == -1:
            _refuse_missing(keys, job_id)
        if reply[0] == -3:
            raise WrongState(
                f"job {job_id!r} of queue {keys.queue!r} is {reply[1].decode()}; "
                "only a delayed job can be promoted"
            )

    return Call("promote", (keys.base,), (job_id,), parse)


def retry_job(
    keys: QueueKeys, job_id: str, *, now_ms: int, fresh_attempts: bool = True
) -> Call[None]:
    """Runs a finished job again; the reply raises JobNotFound or WrongState.

    `fresh_attempts`: all its attempts are allowed again. Children that failed it go first.
    """

    def parse(reply: list[Any]) -> None:
        if reply[0] == -1:
            _refuse_missing(keys, job_id)
        where = f"job {job_id!r} of queue {keys.queue!r}"
        if reply[0] == -3:
            raise WrongState(
                f"{where} is {reply[1].decode()}; only a failed or completed job can be retried"
            )
        if reply[0] == -9:
            raise WrongState(
                f"{where} needs {reply[1].decode()!r}, which failed; retry that one first"
            )

    return Call("retry_job", (keys.base,), (now_ms, job_id, int(fresh_attempts)), parse)


def remove_job(keys: QueueKeys, job_id: str, *, with_children: bool = True) -> Call[int | None]:
    """Removes a job and its children, and gives how many; raises JobNotFound or WrongState.

    None when it has too many for one call; `runtime/removal.py` makes a row of calls of it.
    """

    def parse(reply: int) -> int | None:
        where = f"job {job_id!r} of queue {keys.queue!r}"
        if reply == -1:
            _refuse_missing(keys, job_id)
        if reply == -8:
            raise WrongState(f"{where} is a schedule's next tick; remove the schedule instead")
        if reply == 0:
            raise WrongState(f"{where}, or a child of it, is active; wait until it has ended")
        return None if reply == -12 else reply

    return Call("remove_job", (keys.base,), (job_id, int(with_children)), parse)


def update_progress(keys: QueueKeys, job_id: str, progress: bytes) -> Call[None]:
    """Stores how far a job is, as JSON; the reply raises JobNotFound."""
    args = (job_id, progress)
    return Call("update_progress", (keys.base,), args, _demand_found(keys, job_id))


def update_data(
    keys: QueueKeys, job_id: str, data: bytes, *, settles: Sequence[str] = ()
) -> Call[None]:
    """Replaces a job's data, JSON; the reply raises JobNotFound.

    `settles` are fields of the job that are deleted with it.
    """
    args: tuple[Arg, ...] = (job_id, data, *settles)
    return Call("update_data", (keys.base,), args, _demand_found(keys, job_id))


def add_log(keys: QueueKeys, job_id: str, line: str, *, keep: int | None = None) -> Call[int]:
    """Adds a line to a job's log and gives how many there are; the reply raises JobNotFound.

    It is cut at MAX_LOG_LINE; what UTF-8 cannot hold in it becomes a question mark. Raises
    ValueError if `keep` is below 0.
    """
    if keep is not None and keep < 0:
        raise ValueError(f"expected to keep 0 lines or more, got {keep}")
    text = str(line)[:MAX_LOG_LINE].encode("utf-8", "replace")

    def parse(reply: int) -> int:
        if reply == -1:
            _refuse_missing(keys, job_id)
        return reply

    kept = MAX_LOG_LINES if keep is None else keep
    return Call("add_log", (keys.base,), (job_id, text, kept), parse)


def _demand_found(keys: QueueKeys, job_id: str) -> Callable[[int], None]:
    def parse(reply: int) -> None:
        if reply == -1:
            _refuse_missing(keys, job_id)

    return parse


def _refuse_missing(keys: QueueKeys, job_id: str) -> NoReturn:
    raise JobNotFound(f"no job {job_id!r} in queue {keys.queue!r}")


def _to_job(keys: QueueKeys, job_id: str, flat: list[bytes]) -> StoredJob:
    return StoredJob(keys.queue, job_id, dict(zip(flat[::2], flat[1::2], strict=True)))
