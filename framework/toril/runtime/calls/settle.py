"""The call that writes down how runs ended and claims the next jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from toril.declarations.job_type import KeepRule
from toril.runtime.call import Call
from toril.runtime.calls.claim import Owner, read_started
from toril.runtime.codec import encode_opts, to_integer
from toril.runtime.job import ClaimedJob
from toril.runtime.keys import QueueKeys
from toril.runtime.outcomes import (
    Completed,
    Failed,
    GivenBack,
    Letter,
    MovedToWaitingChildren,
    Postponed,
    Retried,
    Settlement,
)
from toril.runtime.packing import pack, unpack

#: More would hold the server, and other workers with it, for too long.
MAX_BATCH = 1000

#: Codes of a settlement.
SETTLED = 0
#: It was to wait for children and none was pending: it is ready to run again.
RUNS_AGAIN = 1
JOB_MISSING = -1
LOCK_MISSING = -2
NOT_ACTIVE = -3
CHILDREN_PENDING = -4
LOCK_FOREIGN = -6
CHILDREN_FAILED = -9
#: It would wait for children, and has none, again.
NO_CHILDREN = -12
#: A key of the job's, or of its parent's, holds something else; the job stalls and runs again.
KEY_BROKEN = -100


class SettledAndClaimed(msgspec.Struct, frozen=True):
    """What became of a batch."""

    #: One per outcome, in order: 0, or why it was refused (names above).
    codes: list[int] = []
    jobs: list[ClaimedJob] = []
    #: Above 0: nothing can be claimed for so long.
    rate_limit_ms: int = 0
    #: When the earliest delayed job is due; asked only when fewer jobs came than were wanted.
    next_due_ms: int | None = None
    #: Of outcomes refused for a failed child, by their number: which one, and why it failed.
    failed_children: Mapping[int, str] = {}


def settle_and_claim(
    keys: QueueKeys,
    *,
    owner: Owner,
    outcomes: Sequence[Settlement] = (),
    claim: int = 0,
    now_ms: int,
) -> Call[SettledAndClaimed]:
    """Settles jobs of the owner and claims up to `claim` others, in one step at the server.

    Outcomes are settled one by one in their order; a refused one does not hold up the others.
    """
    if len(outcomes) > MAX_BATCH or claim > MAX_BATCH:
        raise ValueError(f"expected at most {MAX_BATCH} outcomes and jobs in one call")
    packed = pack([pack_outcome(keys, outcome) for outcome in outcomes])

    def parse(reply: bytes) -> SettledAndClaimed:
        codes, jobs, rate_limit_ms, due_ms, failed = unpack(reply)
        return SettledAndClaimed(
            list(codes),
            read_started(keys.queue, jobs, owner=owner, now_ms=now_ms),
            int(rate_limit_ms),
            to_integer(due_ms) if due_ms >= 0 else None,
            {int(n) - 1: _describe_child(key, reason) for n, key, reason in failed},
        )

    return Call("settle_and_claim", (keys.base,), (now_ms, owner.packed, claim, packed), parse)


def claim_next(
    owners: Sequence[tuple[QueueKeys, Owner]],
) -> Call[list[SettledAndClaimed | None]]:
    """Claims a job of each queue that has one, at the instant at which the server comes to it.

    Gives None for queues where nothing was ready.
    """

    def parse(reply: bytes) -> list[SettledAndClaimed | None]:
        now_ms, found = unpack(reply)
        return [
            _read_found(keys.queue, one, owner=owner, now_ms=now_ms) if one else None
            for (keys, owner), one in zip(owners, found, strict=True)
        ]

    bases = tuple(keys.base for keys, _ in owners)
    return Call("claim_next", bases, tuple(owner.packed for _, owner in owners), parse)


def _read_found(queue: str, found: Any, *, owner: Owner, now_ms: int) -> SettledAndClaimed:
    jobs, rate_limit_ms, due_ms = found
    return SettledAndClaimed(
        jobs=read_started(queue, jobs, owner=owner, now_ms=now_ms),
        rate_limit_ms=int(rate_limit_ms),
        next_due_ms=to_integer(due_ms) if due_ms >= 0 else None,
    )


def pack_outcome(keys: QueueKeys, outcome: Settlement) -> tuple[Any, ...]:
    """Gives an outcome as scripts take it."""
    match outcome:
        case Completed():
            return (1, outcome.id, outcome.fence, outcome.result, *_pack_keep(outcome.keep))
        case Failed(id, reason, stacktrace, keep, attempts, fence, _, letter):
            packed = (2, id, fence, _clean(reason), stacktrace, *_pack_keep(keep), attempts)
            return packed if letter is None else (*packed, _pack_letter(keys, letter))
        case Retried(id, delay_ms, reason, stacktrace, fence):
            return (3, id, fence, delay_ms, _clean(reason), stacktrace)
        case Postponed(id, until_ms, fence):
            return (4, id, fence, until_ms)
        case GivenBack(id, limit_ms, fence):
            return (5, id, fence, limit_ms)
        case MovedToWaitingChildren(id, fence, has_added):
            return (6, id, fence, has_added)


def _pack_keep(keep: KeepRule) -> tuple[int, int]:
    return (
        -1 if keep.count is None else keep.count,
        -1 if keep.age_ms is None else keep.age_ms,
    )


def _pack_letter(keys: QueueKeys, letter: Letter) -> tuple[Any, ...]:
    base, opts = keys.of(letter.queue).base, encode_opts(dict(letter.opts))
    return (base, letter.id, letter.name, letter.data, opts, letter.priority, letter.origin)


def _describe_child(key: bytes, reason: bytes) -> str:
    """Begins as BullMQ words it in `defa`."""
    text = f"child {key.decode('utf-8', 'replace')} failed"
    return f"{text}: {reason.decode('utf-8', 'replace')}" if reason else text


def _clean(reason: str) -> bytes:
    """An error's text as UTF-8, whatever it holds: the job has to be failed in any case."""
    return reason.encode("utf-8", "backslashreplace")
