"""Calls about who runs a job: renewing, giving back, taking over, finding out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from toril.runtime.call import Call
from toril.runtime.calls.claim import Owner, read_claimed, read_started
from toril.runtime.job import ClaimedJob
from toril.runtime.keys import QueueKeys
from toril.runtime.packing import decode_ids, pack, unpack


def renew_locks(
    queues: Sequence[QueueKeys], tokens: Sequence[str], lock_ms: int
) -> Call[dict[str, dict[str, list[str]]]]:
    """Renews the locks of every active job of these tokens; gives by queue what each still owns.

    A lock that ran out is taken again if nobody started the job since. Queues in which none of them
    owns anything are left out.
    """

    def parse(reply: bytes) -> dict[str, dict[str, list[str]]]:
        return {
            queues[number - 1].queue: {
                token: decode_ids(ids) for token, ids in zip(tokens, owned, strict=True)
            }
            for number, owned in unpack(reply)
        }

    bases = tuple(keys.base for keys in queues)
    return Call("renew_locks", bases, (lock_ms, pack(list(tokens))), parse)


def hand_back(keys: QueueKeys, token: str) -> Call[list[str]]:
    """Gives back every active job of a token, and gives their ids; they run next."""
    return Call("hand_back", (keys.base,), (token,), lambda reply: decode_ids(unpack(reply)))


def adopt(keys: QueueKeys, *, from_token: str, owner: Owner, now_ms: int) -> Call[list[ClaimedJob]]:
    """Makes every active job of a token the owner's: a new start, not open to anybody else."""

    def parse(reply: bytes) -> list[ClaimedJob]:
        return read_started(keys.queue, unpack(reply), owner=owner, now_ms=now_ms)

    args = (now_ms, from_token, owner.token, owner.lock_ms, owner.worker or "")
    return Call("adopt", (keys.base,), args, parse)


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a call whose reply was lost did."""

    #: Every active job of the token, running here or claimed without our hearing of it.
    active: list[ClaimedJob]
    #: Doubtful jobs whose start is over: settled, or lost.
    settled: set[str]


def recover(keys: QueueKeys, token: str, doubtful: Mapping[str, int]) -> Call[Recovered]:
    """Reads what is a token's now, after a lost reply; changes nothing.

    `doubtful` gives, by id, the `attempts_started` of jobs whose settlement got no answer.
    """

    def parse(reply: bytes) -> Recovered:
        jobs, over = unpack(reply)
        return Recovered(read_claimed(keys.queue, jobs), set(decode_ids(over)))

    return Call("recover", (keys.base,), (token, pack(list(doubtful.items()))), parse)


@dataclass(frozen=True, slots=True)
class Swept:
    """Jobs that went from active back to waiting because their lock ran out."""

    #: They run again next.
    returned: list[str]
    #: Over their limit of stalls: the worker that claims them next fails them without running.
    failed: list[str]


def sweep_stalled(keys: QueueKeys, *, now_ms: int, every_ms: int, limit: int) -> Call[Swept]:
    """Gives back active jobs whose lock ran out between two sweeps; once per interval for all."""

    def parse(reply: bytes) -> Swept:
        returned, failed = unpack(reply)
        return Swept(decode_ids(returned), decode_ids(failed))

    return Call("sweep_stalled", (keys.base,), (now_ms, every_ms, limit), parse)
