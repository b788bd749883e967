"""Runs the jobs that a dead worker left, one at a time, so that only the poison one pays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from toril.runtime.calls.claim import Owner
from toril.runtime.calls.locks import adopt, recover
from toril.runtime.job import ClaimedJob
from toril.runtime.worker.ground import Ground
from toril.runtime.worker.in_hand import JobsInHand
from toril.runtime.worker.served_queue import ServedQueue


class Isolation:
    """Takes over what is active under given tokens and runs it, oldest first."""

    def __init__(
        self,
        ground: Ground,
        queues: Mapping[str, ServedQueue],
        in_hand: JobsInHand,
        *,
        adopts: Sequence[tuple[str, str]],
    ) -> None:
        self._ground = ground
        self._queues = queues
        self._in_hand = in_hand
        self._adopts = adopts

    async def run(self) -> None:
        """Returns when all are settled, or the worker ends."""
        for queue, from_token in self._adopts:
            served = self._queues[queue]
            for job in await self._take_over(served, from_token):
                if self._in_hand.is_closing:
                    return
                self._in_hand.deliver(served, [job])
                await self._in_hand.wait_until(self._is_over, lambda: float("inf"))

    async def _take_over(self, served: ServedQueue, from_token: str) -> list[ClaimedJob]:
        token, outbox = self._ground.token, self._ground.outbox
        if from_token != token:
            owner = Owner(token, served.queue.lock_ms, self._ground.worker)
            now_ms = self._ground.clock.now_ms()
            # Sent again after a lost reply it finds nothing left to adopt; so it is read below.
            await outbox.send(adopt(served.keys, from_token=from_token, owner=owner, now_ms=now_ms))
        found = await outbox.send(recover(served.keys, token, {}))
        return found.active

    def _is_over(self) -> bool:
        return self._in_hand.is_closing or self._in_hand.is_settled()
