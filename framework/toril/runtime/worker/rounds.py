"""Group commit: one call per queue settles all that ended and claims for all free slots."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from toril.declarations.units import Rate
from toril.runtime.call import Call
from toril.runtime.calls.claim import Owner
from toril.runtime.calls.settle import (
    CHILDREN_FAILED,
    CHILDREN_PENDING,
    NO_CHILDREN,
    SettledAndClaimed,
    claim_next,
    settle_and_claim,
)
from toril.runtime.connection import is_dead_connection, is_temporary
from toril.runtime.job import ClaimedJob
from toril.runtime.outcomes import Completed, MovedToWaitingChildren, Settlement
from toril.runtime.worker.decide import DEFAULT_KEEP, fail
from toril.runtime.worker.execution import Execution
from toril.runtime.worker.ground import Ground
from toril.runtime.worker.reasons import make_deferred_failure
from toril.runtime.worker.served_queue import Doubt, ServedQueue

#: Calls in flight: the server works on one while Python works on the jobs of the other.
LANES = 2

#: For so many queues a claim may stand at the server: it looks at all, whichever has a job.
MOST_STANDING = 16

#: Why a parent cannot end as it would; Redis has changed nothing.
_CHILDREN_TEXTS = {
    CHILDREN_PENDING: "the job has children that are not done, so it cannot complete; "
    "raise WaitForChildren to run again when they are",
    CHILDREN_FAILED: "the job has failed children, so it cannot complete",
    NO_CHILDREN: "the job waits for children and has none; add them before raising WaitForChildren",
}

#: Outcomes that depend on how children ended.
_NEEDS_CHILDREN = (Completed, MovedToWaitingChildren)


@dataclass(slots=True)
class _Part:
    """One queue's share of a round."""

    served: ServedQueue
    outcomes: list[Execution]
    claim: int


class Rounds:
    """Plays rounds, `LANES` at a time: each takes what is there, sends it, hands out the reply.

    Whoever has something to send rings `work`; the loop's next turn begins a round.
    While nothing goes on, a claim may stand: sent behind a command that waits for a job, it is run
    by the server as soon as there is one. No round is played then: whoever has something to send
    has it recalled, so that no job starts here while another may be claimed unseen. Its code might
    block the loop, and the other one would wait for that.
    """

    def __init__(
        self,
        ground: Ground,
        queues: Sequence[ServedQueue],
        *,
        deliver: Callable[[ServedQueue, Sequence[ClaimedJob]], None],
        on_round: Callable[[], None],
        on_doubt: Callable[[], None],
        may_claim: bool,
        rates: Mapping[str, Rate],
    ) -> None:
        self._ground = ground
        self._queues = queues
        self._owners = {
            each.name: Owner(
                ground.token,
                each.queue.lock_ms,
                ground.worker,
                rates.get(each.name),
                each.queue.metrics_minutes,
            )
            for each in queues
        }
        self._deliver = deliver
        self._on_round = on_round
        self._on_doubt = on_doubt
        #: Off when the worker stops, or never claims.
        self.may_claim = may_claim
        self._knows_how_to_stand = ground.clock.is_servers and len(queues) <= MOST_STANDING
        self._standing: list[_Part] = []
        #: The claim that stands is in somebody's way.
        self.is_recalled = False

    @property
    def is_quiet(self) -> bool:
        """Whether nothing goes on in any queue."""
        return all(served.is_quiet for served in self._queues)

    @property
    def may_stand(self) -> bool:
        """Whether a claim may stand: for few queues, when nothing goes on in any of them."""
        is_free = self._knows_how_to_stand and self.may_claim and not self._ground.work.is_rung
        return is_free and not self._standing and self.is_quiet

    def stand(self, queues: Sequence[ServedQueue]) -> Call[list[SettledAndClaimed | None]]:
        """Gives a call that claims a job of each queue, to be sent behind one that waits.

        No more than one: it may be run for a worker that is gone, whose locks have to run out then.
        """
        self._standing = [_Part(served, [], served.take_slot()) for served in queues]
        for part in self._standing:
            part.served.in_flight += 1
        return claim_next([(served.keys, self._owners[served.name]) for served in queues])

    def end_standing(self, reply: Sequence[SettledAndClaimed | None] | Exception) -> None:
        """Takes the reply to the claim that stood; jobs that came begin at the loop's next turn."""
        parts, self._standing = self._standing, []
        self.is_recalled = False
        replies = [reply] * len(parts) if isinstance(reply, Exception) else reply
        for part in parts:
            part.served.in_flight -= 1
        for part, one in zip(parts, replies, strict=True):
            self._end(part, one)
        # What else there is to do comes behind their first lines.
        asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        if not self.is_quiet:
            self._ground.work.ring()
        self._on_round()

    async def run_lane(self) -> None:
        """Plays one round after the other until cancelled."""
        while True:
            while parts := self._take_parts():
                await self._play(parts)
            if self._standing:
                self.is_recalled = True
                self._on_round()
            await self._ground.work.wait()

    def _take_parts(self) -> list[_Part]:
        parts: list[_Part] = []
        if self._standing:
            return parts
        for served in self._queues:
            if served.doubt is not None:
                continue
            outcomes = served.take_outcomes()
            claim = served.take_slots(with_outcomes=bool(outcomes)) if self.may_claim else 0
            if served.take_due() or outcomes or claim:
                parts.append(_Part(served, outcomes, claim))
        return parts

    async def _play(self, parts: list[_Part]) -> None:
        for part in parts:
            part.served.in_flight += 1
        try:
            replies = await self._send([self._build_call(part) for part in parts])
        finally:
            for part in parts:
                part.served.in_flight -= 1
        for n, part in enumerate(parts):
            self._end(part, replies[n])
        self._on_round()

    def _end(self, part: _Part, reply: SettledAndClaimed | Exception | None) -> None:
        if reply is None:
            part.served.return_slots(part.claim)
        elif isinstance(reply, Exception):
            self._doubt(part, reply)
        else:
            self._hand_out(part, reply)
        if part.served.doubt is not None:
            self._on_doubt()

    def _build_call(self, part: _Part) -> Call[SettledAndClaimed]:
        return settle_and_claim(
            part.served.keys,
            owner=self._owners[part.served.name],
            outcomes=[each.outcome for each in part.outcomes if each.outcome is not None],
            claim=part.claim,
            now_ms=self._ground.clock.now_ms(),
        )

    async def _send(
        self, calls: list[Call[SettledAndClaimed]]
    ) -> Sequence[SettledAndClaimed | Exception]:
        try:
            if len(calls) == 1:
                return [await self._ground.sender.send(calls[0])]
            return await self._ground.sender.send_many(calls, return_exceptions=True)
        except Exception as error:  # noqa: BLE001 - whatever it is, what was sent is in doubt now
            return [error] * len(calls)

    def _hand_out(self, part: _Part, reply: SettledAndClaimed) -> None:
        served = part.served
        self._ground.outage.over()
        for n, execution in enumerate(part.outcomes):
            code = reply.codes[n]
            if code >= 0:
                self._ground.news.settled(execution)
            else:
                self._take_refusal(execution, code, reply.failed_children.get(n))
        served.return_slots(part.claim)
        if part.claim:
            served.note_limit(reply.rate_limit_ms)
            if len(reply.jobs) == part.claim:
                served.is_hungry = True
            else:
                served.note_due(reply.next_due_ms)
        self._deliver(served, reply.jobs)

    def _take_refusal(self, execution: Execution, code: int, child: str | None) -> None:
        if code in _CHILDREN_TEXTS and isinstance(execution.outcome, _NEEDS_CHILDREN):
            outcome = _fail_parent(execution, child or _CHILDREN_TEXTS[code])
            execution.outcome = self._ground.with_letter(execution.job, outcome)
            execution.served.ended.append(execution)
            self._ground.work.ring()
        else:
            self._ground.news.refused(execution, code)

    def _doubt(self, part: _Part, error: Exception) -> None:
        """Notes that nobody knows what became of this part; `Recovery` finds out."""
        self._ground.outage.failed(error, during="settling and claiming")
        served = part.served
        doubt = served.doubt = served.doubt or Doubt()
        doubt.claim += part.claim
        doubt.outcomes += part.outcomes
        if is_temporary(error) or is_dead_connection(error):
            return
        doubt.answer = error
        if len(part.outcomes) == 1:
            part.outcomes[0].tries_alone += 1
            self._ground.news.unsettled(part.outcomes[0], error)


def _fail_parent(execution: Execution, reason: str) -> Settlement:
    error = make_deferred_failure(reason)
    keep = DEFAULT_KEEP if execution.plan is None else execution.plan.job_type.keep
    return fail(execution.job, error, attempts=execution.attempt, keep=keep)
