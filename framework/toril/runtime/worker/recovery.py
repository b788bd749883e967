"""Finds out what became of calls whose reply was lost, and goes on from there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from toril.runtime.calls.locks import Recovered, recover
from toril.runtime.job import ClaimedJob
from toril.runtime.worker.execution import Execution
from toril.runtime.worker.ground import Ground
from toril.runtime.worker.in_hand import JobsInHand
from toril.runtime.worker.reconnect import Pauses
from toril.runtime.worker.served_queue import Doubt, ServedQueue

#: Pause after an error that Redis answered: trying again at once may give it again.
_ANSWERED_PAUSE_S = 0.25


class Recovery:
    """Asks Redis about every queue in doubt, until it answers.

    Outcomes of jobs that are still ours are sent again, others count as settled; jobs that are ours
    without our knowing (the reply of their claim was lost) are run now.
    """

    def __init__(
        self,
        ground: Ground,
        queues: Sequence[ServedQueue],
        in_hand: JobsInHand,
        *,
        runs_unknown: bool,
    ) -> None:
        self._ground = ground
        self._queues = queues
        self._in_hand = in_hand
        #: Off in isolation: there, active jobs that do not run wait for their turn.
        self._runs_unknown = runs_unknown
        self._wake = asyncio.Event()
        self._pauses = Pauses()
        self._outage_number = 0

    def look(self) -> None:
        """Looks for queues in doubt at the loop's next turn."""
        self._wake.set()

    async def run(self) -> None:
        """Recovers until cancelled."""
        while True:
            doubtful = [s for s in self._queues if s.doubt is not None and s.in_flight == 0]
            if doubtful:
                await self._ground.clock.sleep(self._choose_pause_s(doubtful))
                await self._recover(doubtful)
            else:
                self._wake.clear()
                await self._wake.wait()

    def _choose_pause_s(self, doubtful: list[ServedQueue]) -> float:
        if all(served.doubt is not None and served.doubt.answer for served in doubtful):
            return _ANSWERED_PAUSE_S
        if self._ground.outage.number != self._outage_number:
            self._outage_number = self._ground.outage.number
            self._pauses.reset()
        return self._pauses.next_s()

    async def _recover(self, doubtful: list[ServedQueue]) -> None:
        calls = [
            recover(served.keys, self._ground.token, _fences(served.doubt))
            for served in doubtful
            if served.doubt is not None
        ]
        try:
            replies = await self._ground.sender.send_many(calls, return_exceptions=True)
        except Exception as error:  # noqa: BLE001 - tried again after a pause, whatever it is
            replies = [error] * len(calls)
        for served, reply in zip(doubtful, replies, strict=True):
            if isinstance(reply, Exception):
                self._ground.outage.failed(reply, during="finding out what was settled")
            else:
                self._resolve(served, reply)
        self._ground.work.ring()
        self._in_hand.changed.set()

    def _resolve(self, served: ServedQueue, found: Recovered) -> None:
        doubt, served.doubt = served.doubt or Doubt(), None
        served.return_slots(doubt.claim)
        served.is_hungry = True
        ours = {job.id: job for job in found.active}
        for execution in doubt.outcomes:
            self._resolve_outcome(execution, doubt, ours, found)
        self._drop_lost(served, ours)
        if not self._runs_unknown:
            return
        unknown = [job for job in ours.values() if not served.knows(job.id, job.attempts_started)]
        self._in_hand.deliver(served, unknown)

    def _resolve_outcome(
        self, execution: Execution, doubt: Doubt, ours: dict[str, ClaimedJob], found: Recovered
    ) -> None:
        job = ours.get(execution.job.id)
        if job is None or job.attempts_started != execution.job.attempts_started:
            if execution.job.id in found.settled or job is not None:
                self._ground.news.settled(execution)
            else:
                self._ground.news.lost(execution)
        elif doubt.answer is None:
            execution.served.ended.append(execution)
        else:
            execution.served.suspect(execution)

    def _drop_lost(self, served: ServedQueue, ours: dict[str, ClaimedJob]) -> None:
        for execution in list(served.running.values()):
            job = ours.get(execution.job.id)
            if job is None or job.attempts_started != execution.job.attempts_started:
                self._in_hand.lose(execution)


def _fences(doubt: Doubt | None) -> dict[str, int]:
    outcomes = doubt.outcomes if doubt is not None else []
    return {execution.job.id: execution.job.attempts_started for execution in outcomes}
