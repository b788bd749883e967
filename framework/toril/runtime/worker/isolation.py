"""Runs the jobs that a dead worker left, one at a time, so that only the poison one pays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from toril.runtime.calls.claim import Owner
from toril.runtime.calls.limits import admit_start
from toril.runtime.calls.locks import adopt, recover
from toril.runtime.job import ClaimedJob
from toril.runtime.worker.ground import Ground
from toril.runtime.worker.in_hand import JobsInHand
from toril.runtime.worker.served_queue import LONGEST_LIMIT_S, ServedQueue


class Isolation:
    """Takes over what is active under given tokens and runs it, oldest first.

    Each is a start like any other: it waits for its turn under the limits of its queue.
    """

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
                is_ours = await self._wait_for_turn(served, job)
                if self._in_hand.is_closing:
                    return
                if not is_ours:
                    continue
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

    async def _wait_for_turn(self, served: ServedQueue, job: ClaimedJob) -> bool:
        """Has the job's start counted, as soon as its queue's limits let it start again.

        False if the job was lost meanwhile: it may run elsewhere.
        """
        clock, in_hand = self._ground.clock, self._in_hand
        while not in_hand.is_closing:
            call = admit_start(served.keys, job.id, self._ground.token, now_ms=clock.now_ms())
            wait_ms = await self._ground.outbox.send(call)
            if wait_ms <= 0:
                return wait_ms == 0
            # A limit may be lifted by hand meanwhile.
            due = clock.monotonic() + min(wait_ms / 1000, LONGEST_LIMIT_S)
            alarm = self._ground.alarms.at(due, in_hand.changed.set)
            await in_hand.wait_until(partial(self._is_due, due), lambda: float("inf"))
            alarm.cancel()
        return False

    def _is_due(self, due: float) -> bool:
        return self._in_hand.is_closing or self._ground.clock.monotonic() >= due

    def _is_over(self) -> bool:
        return self._in_hand.is_closing or self._in_hand.is_settled()
