"""Keeps the locks of running jobs: for a supervisor's worker processes, or for one worker alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from toril.clock import Clock
from toril.declarations.queue import Queue
from toril.runtime.calls.locks import renew_locks
from toril.runtime.chunks import cut_queues
from toril.runtime.keys import QueueKeys
from toril.runtime.sender import AsyncSender
from toril.runtime.worker.reconnect import Outage

#: A lock is renewed so many times before it would run out.
RENEWALS_PER_LOCK = 4
#: After a failed renewal the next one is tried this much sooner.
_RETRY_SOONER = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Renewal:
    """What one renewal found in some queues."""

    queues: Sequence[str]
    #: By queue and token, ids that the token still owns; queues where nobody does are left out.
    owned: Mapping[str, Mapping[str, Sequence[str]]]
    #: The monotonic instant before it.
    as_of: float

    def of(self, token: str) -> dict[str, list[str]]:
        """Gives what one token owns, by queue; nothing in the other queues."""
        by_queue = {queue: list(tokens.get(token, ())) for queue, tokens in self.owned.items()}
        return {queue: ids for queue, ids in by_queue.items() if ids}


OnRenewed = Callable[[Renewal], None]


@dataclass(slots=True)
class _Renewed:
    keys: QueueKeys
    lock_ms: int
    due_at: float

    @property
    def every_s(self) -> float:
        return self.lock_ms / 1000 / RENEWALS_PER_LOCK


class LockKeeper:
    """Renews the locks of all given tokens, many queues in a call, and tells who still owns what.

    A lock that ran out is taken again as long as the job is active and nobody else started it, so
    a server or a process that stood still costs no second run.
    """

    def __init__(
        self,
        sender: AsyncSender,
        clock: Clock,
        queues: Sequence[Queue],
        tokens: Callable[[], Sequence[str]],
        *,
        prefix: str,
        on_renewed: OnRenewed,
        outage: Outage,
    ) -> None:
        self._sender = sender
        self._clock = clock
        self._tokens = tokens
        self._on_renewed = on_renewed
        self._outage = outage
        now = clock.monotonic()
        self._queues = [
            _Renewed(QueueKeys(prefix, queue.name), queue.lock_ms, now) for queue in queues
        ]
        for renewed in self._queues:
            renewed.due_at += renewed.every_s

    async def run(self) -> None:
        """Renews until cancelled."""
        while self._queues:
            wait_s = min(renewed.due_at for renewed in self._queues) - self._clock.monotonic()
            if wait_s > 0:
                await self._clock.sleep(wait_s)
            now = self._clock.monotonic()
            await self._renew([renewed for renewed in self._queues if renewed.due_at <= now])

    async def renew_now(self) -> None:
        """Renews every lock at once: after an outage, or a pause of the whole machine."""
        await self._renew(self._queues)

    async def _renew(self, due: list[_Renewed]) -> None:
        tokens, as_of = tuple(self._tokens()), self._clock.monotonic()
        for renewed in due:
            renewed.due_at = as_of + renewed.every_s
        if not tokens:
            return
        parts = _cut(due)
        calls = [
            renew_locks([each.keys for each in part], tokens, part[0].lock_ms) for part in parts
        ]
        try:
            replies = await self._sender.send_many(calls, return_exceptions=True)
        except Exception as error:  # noqa: BLE001 - tried again soon, whatever it is
            replies = [error] * len(calls)
        for part, reply in zip(parts, replies, strict=True):
            if isinstance(reply, Exception):
                self._outage.failed(reply, during="renewing locks")
                for renewed in part:
                    renewed.due_at = self._clock.monotonic() + renewed.every_s / _RETRY_SOONER
            else:
                queues = [renewed.keys.queue for renewed in part]
                self._on_renewed(Renewal(queues=queues, owned=reply, as_of=as_of))


def _cut(due: Sequence[_Renewed]) -> list[Sequence[_Renewed]]:
    """Gives the queues of each call: their locks last equally long."""
    by_length: dict[int, list[_Renewed]] = {}
    for renewed in due:
        by_length.setdefault(renewed.lock_ms, []).append(renewed)
    return [part for alike in by_length.values() for part in cut_queues(alike)]
