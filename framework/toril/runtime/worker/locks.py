"""Keeps the locks of running jobs: for a supervisor's worker processes, or for one worker alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from toril.clock import Clock
from toril.declarations.queue import Queue
from toril.runtime.calls.locks import renew_locks
from toril.runtime.keys import QueueKeys
from toril.runtime.sender import AsyncSender
from toril.runtime.worker.reconnect import Outage

#: A lock is renewed so many times before it would run out.
RENEWALS_PER_LOCK = 4
#: After a failed renewal the next one is tried this much sooner.
_RETRY_SOONER = 4

#: Takes a queue's name, the ids that each token still owns, and the monotonic instant that was.
OnRenewed = Callable[[str, Mapping[str, set[str]], float], None]


@dataclass(slots=True)
class _Renewed:
    keys: QueueKeys
    lock_ms: int
    due_at: float

    @property
    def every_s(self) -> float:
        return self.lock_ms / 1000 / RENEWALS_PER_LOCK


class LockKeeper:
    """Renews the locks of all given tokens, one call per queue, and tells who still owns what.

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
        calls = [renew_locks(renewed.keys, tokens, renewed.lock_ms) for renewed in due]
        try:
            replies = await self._sender.send_many(calls, return_exceptions=True)
        except Exception as error:  # noqa: BLE001 - tried again soon, whatever it is
            replies = [error] * len(calls)
        for renewed, reply in zip(due, replies, strict=True):
            if isinstance(reply, Exception):
                self._outage.failed(reply, during="renewing locks")
                renewed.due_at = self._clock.monotonic() + renewed.every_s / _RETRY_SOONER
            else:
                owned = {token: set(reply.get(token, ())) for token in tokens}
                self._on_renewed(renewed.keys.queue, owned, as_of)
