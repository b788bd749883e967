"""Watches for the moment when a pipeline that runs until idle has nothing left to do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from toril.errors import RedisUnavailable
from toril.runner.link import RedisLink
from toril.runtime.calls.unfinished import UnfinishedWork, read_unfinished

#: Without news from the workers, how often it is asked.
_ASK_EVERY_S = 1.0
#: A wait that is shorter is not worth a word.
_LONG_MS = 5_000


class Verdict(StrEnum):
    """What is left."""

    #: Something runs, waits or will be due.
    BUSY = "busy"
    #: Nothing is left.
    IDLE = "idle"
    #: What is left waits for a paused queue, so nothing moves any more.
    PAUSED = "paused"
    #: What is left waits for children, and none of them moves: they failed, or are not here.
    CHILDLESS = "childless"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict, and the queue that it is about if nothing moves any more."""

    verdict: Verdict
    stuck_in: UnfinishedWork | None = None


def judge(work: Sequence[UnfinishedWork], elsewhere: Sequence[UnfinishedWork] = ()) -> Judgement:
    """Judges the unfinished work of all queues at one instant.

    Parents that wait for children move only when something else does, maybe `elsewhere`: in a
    queue that others serve, whose own work does not count.
    """
    if not any(queue.total for queue in work):
        return Judgement(Verdict.IDLE)
    paused = [queue for queue in (*work, *elsewhere) if queue.is_paused and queue.claimable]
    if any(_moves(queue) for queue in (*work, *elsewhere)):
        return Judgement(Verdict.BUSY)
    if paused:
        return Judgement(Verdict.PAUSED, max(paused, key=lambda queue: queue.claimable))
    return Judgement(Verdict.CHILDLESS, max(work, key=lambda queue: queue.waiting_children))


def find_wait(work: Sequence[UnfinishedWork]) -> UnfinishedWork | None:
    """Gives the queue whose job is due first, if all that will move is delayed."""
    if any(queue.active or (queue.ready and not queue.is_paused) for queue in work):
        return None
    delayed = [queue for queue in work if queue.due_ms is not None and not queue.is_paused]
    return min(delayed, key=lambda queue: queue.due_ms or 0, default=None)


def _moves(queue: UnfinishedWork) -> bool:
    return bool(queue.active or (queue.claimable and not queue.is_paused))


class IdleWatch:
    """Asks whenever workers report jobs that ended, and now and then, until there is an answer.

    `on_wait` is told once of each long wait for a delayed job. Scheduler iterations whose tick is
    after `after_ms` do not count.
    """

    def __init__(
        self,
        *,
        link: RedisLink,
        prefix: str,
        queues: Sequence[str],
        external: Sequence[str] = (),
        after_ms: int,
        on_idle: Callable[[], None],
        on_stuck: Callable[[Judgement], None],
        on_wait: Callable[[UnfinishedWork], None],
        now_ms: Callable[[], int],
    ) -> None:
        self._link = link
        self._call = read_unfinished(prefix, [*queues, *external], after_ms=after_ms)
        self._ours = len(queues)
        self._on_idle = on_idle
        self._on_stuck = on_stuck
        self._on_wait = on_wait
        self._now_ms = now_ms
        self._waits_until: int | None = None
        self._news = asyncio.Event()

    def look(self) -> None:
        """Asks soon: something ended."""
        self._news.set()

    async def run(self) -> None:
        """Returns once it has said that the pipeline is idle, or stuck."""
        while not await self._ask():
            self._news.clear()
            try:
                async with asyncio.timeout(_ASK_EVERY_S):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def _ask(self) -> bool:
        try:
            work = await self._link.sender.send(self._call)
        except RedisUnavailable as error:
            self._link.failed(error, during="asking what is left to do")
            return False
        judgement = judge(work[: self._ours], work[self._ours :])
        if judgement.verdict is Verdict.IDLE:
            self._on_idle()
        elif judgement.verdict is not Verdict.BUSY:
            self._on_stuck(judgement)
        else:
            self._tell_wait(find_wait(work))
        return judgement.verdict is not Verdict.BUSY

    def _tell_wait(self, wait: UnfinishedWork | None) -> None:
        if wait is None or wait.due_ms is None or wait.due_ms == self._waits_until:
            return
        if wait.due_ms - self._now_ms() >= _LONG_MS:
            self._waits_until = wait.due_ms
            self._on_wait(wait)
