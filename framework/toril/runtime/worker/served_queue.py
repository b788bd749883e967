"""One queue as its worker sees it: slots, running jobs, outcomes to send, when to claim."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from toril.clock import Clock
from toril.declarations.queue import Queue
from toril.runtime.keys import QueueKeys
from toril.runtime.outcomes import Completed, Failed, Settlement
from toril.runtime.worker.alarms import Alarm, Alarms
from toril.runtime.worker.execution import Execution
from toril.runtime.worker.plans import Plan, PlanKey

#: Jobs a call carries at most in each direction, so that peers are not kept waiting by one script.
MAX_BATCH = 250
#: Bytes of results in one call; a larger one travels alone.
MAX_BATCH_BYTES = 4 * 1024 * 1024
#: While jobs run a call need not carry more outcomes than these: see `take_outcomes`.
_SMALL_BATCH = 6
#: From so many slots on a call claims half of them: the server fills one half while the other runs.
_HALVED_FROM = 8
#: Reason and stack traces of a failure, about.
_SMALL_BYTES = 16 * 1024
#: A limit may be lifted by hand; so long at most is it believed.
LONGEST_LIMIT_S = 30.0
#: So often at least is an outcome sent that Redis answers with an error: someone may mend it.
_LONGEST_PAUSE_S = 60.0


@dataclass(slots=True)
class Doubt:
    """What was in a call whose reply never came, or was an error."""

    outcomes: list[Execution] = field(default_factory=list)
    claim: int = 0
    #: Redis answered with it: one of the outcomes may be what it cannot take.
    answer: Exception | None = None


class ServedQueue:
    """Counts slots and holds what runs, what ended and what is in doubt.

    A slot is taken by a running job or by a claim in flight; a job that ended has left its slot.
    """

    def __init__(
        self,
        queue: Queue,
        keys: QueueKeys,
        plans: Mapping[PlanKey, Plan],
        *,
        clock: Clock,
        alarms: Alarms,
        wake: Callable[[], None],
    ) -> None:
        self.queue = queue
        self.name = queue.name
        self.keys = keys
        self.plans = plans
        self._clock = clock
        self._alarms = alarms
        self._wake = wake
        self.concurrency = queue.concurrency
        batch = -(-self.concurrency // 2) if self.concurrency >= _HALVED_FROM else MAX_BATCH
        self._batch = min(batch, MAX_BATCH)
        self.running: dict[str, Execution] = {}
        #: Runs of jobs that were lost and claimed again while the old run still goes on.
        self.outlived: set[Execution] = set()
        #: Ended, their outcomes not sent yet.
        self.ended: list[Execution] = []
        #: Ended, and to be sent one by one: a call that held them was answered with an error.
        self.suspects: list[Execution] = []
        self.doubt: Doubt | None = None
        self.in_flight = 0
        self._reserved = 0
        #: There may be jobs to claim.
        self.is_hungry = True
        self._limit: Alarm | None = None
        self._due: Alarm | None = None
        self._due_ms = 0
        self._is_due = False
        #: Owned ids of the last renewal that this worker did not know.
        self.unknown: set[str] = set()

    @property
    def free(self) -> int:
        """Slots that neither a job nor a claim in flight holds."""
        return self.concurrency - len(self.running) - len(self.outlived) - self._reserved

    @property
    def _has_begun(self) -> bool:
        """Whether a job runs whose code has begun: jobs begin in the order of their claims."""
        oldest = next(iter(self.running.values()), None)
        return oldest is not None and oldest.task is not None

    @property
    def is_limited(self) -> bool:
        """Whether a rate limit holds the queue."""
        return self._limit is not None

    @property
    def wants_marker(self) -> bool:
        """Whether only a new job is missing: free slots, and the last claim found no more."""
        idle = not self.is_hungry and self.in_flight == 0 and self.doubt is None
        return idle and not self.is_limited and self.free > 0

    @property
    def is_settled(self) -> bool:
        """Whether nothing runs and every outcome is accepted."""
        idle = not self.running and self.in_flight == 0 and self.doubt is None
        return idle and not self.ended and not self.suspects

    @property
    def is_quiet(self) -> bool:
        """Whether nothing goes on, and nothing is to be sent now."""
        wants_none = self.is_limited or not self.is_hungry
        return wants_none and self.is_settled and not self.outlived

    def add_running(self, execution: Execution) -> Execution | None:
        """Puts a run into a slot; gives the older run of the same job, which has lost it."""
        older = self.running.pop(execution.job.id, None)
        if older is not None:
            self.outlived.add(older)
        self.running[execution.job.id] = execution
        return older

    def drop_running(self, execution: Execution) -> bool:
        """Takes a run out of its slot; False if it was out already."""
        if self.running.get(execution.job.id) is execution:
            del self.running[execution.job.id]
            return True
        if execution in self.outlived:
            self.outlived.discard(execution)
            return True
        return False

    def knows_id(self, job_id: str) -> bool:
        """Whether any start of the job runs here, or its outcome is still to be accepted."""
        if job_id in self.running:
            return True
        return any(e.job.id == job_id for e in (*self.ended, *self.suspects))

    def knows(self, job_id: str, attempts_started: int) -> bool:
        """Whether this start of the job runs here, or its outcome is still to be accepted."""
        lists = (self.running.values(), self.ended, self.suspects)
        return any(
            execution.job.id == job_id and execution.job.attempts_started == attempts_started
            for executions in lists
            for execution in executions
        )

    def take_outcomes(self) -> list[Execution]:
        """Takes what the next call is to settle: all, or half while other jobs run.

        Jobs that are claimed together tend to end together. If one call took them all, each would
        wait for the scripts of all, start with all and meet all again at its end. Halves part
        them; and what ends faster than the server settles piles up, so that halves grow.
        """
        if self.ended:
            count = _count_fitting(self.ended)
            if self._has_begun:
                count = min(count, max(len(self.ended) // 2, _SMALL_BATCH))
            taken, self.ended = self.ended[:count], self.ended[count:]
            if self.ended:
                self._wake()
            return taken
        return self._take_suspect() if self.suspects else []

    def suspect(self, execution: Execution) -> None:
        """Has an outcome sent alone; one that fails alone is tried again less and less often."""
        pause_s = min(2**execution.tries_alone - 1, _LONGEST_PAUSE_S)
        execution.send_at = self._clock.monotonic() + pause_s
        self.suspects.append(execution)
        self._alarms.at(execution.send_at, self._wake)

    def take_slots(self, *, with_outcomes: bool) -> int:
        """Reserves the slots that the next call is to claim for.

        A call that settles claims along even if the last one found no more: it costs nothing.
        The slot of a job that ended is for the call that settles it.
        """
        if self.is_limited or not (self.is_hungry or with_outcomes):
            return 0
        claim = max(min(self.free - len(self.ended), self._batch), 0)
        # Whether there are more, the reply tells: an idle queue is asked once for one job.
        self.is_hungry = False
        self._reserved += claim
        return claim

    def take_slot(self) -> int:
        """Reserves the one slot of a claim that waits at the server for a job."""
        self._reserved += 1
        return 1

    def return_slots(self, claim: int) -> None:
        """Gives back the slots of a claim whose reply was read."""
        self._reserved -= claim

    def become_hungry(self) -> None:
        """There may be jobs: has the next call claim them."""
        self.is_hungry = True
        self._wake()

    def note_limit(self, limit_ms: int) -> None:
        """Claims nothing for so long; 0 is no limit."""
        if limit_ms <= 0:
            return
        if self._limit is not None:
            self._limit.cancel()
        self._limit = self._alarms.after(min(limit_ms / 1000, LONGEST_LIMIT_S), self._end_limit)

    def note_due(self, due_ms: int | None) -> None:
        """Claims again when a delayed job is due, if that is before what is known already.

        Replies may be read in another order than they were made, so none makes it later again; a
        call too early finds nothing and tells the next instant.
        """
        if due_ms is None or (self._due is not None and self._due_ms <= due_ms):
            return
        if self._due is not None:
            self._due.cancel()
        self._due_ms = due_ms
        wait_s = max(due_ms - self._clock.now_ms(), 0) / 1000
        self._due = self._alarms.after(wait_s, self._come_due)

    def take_due(self) -> bool:
        """Whether a delayed job has come due since this was asked.

        It is made ready even when there is no slot for it here: only we may know that it is due.
        """
        is_due, self._is_due = self._is_due, False
        return is_due

    def _come_due(self) -> None:
        self._due = None
        self._is_due = True
        self.become_hungry()

    def _take_suspect(self) -> list[Execution]:
        now = self._clock.monotonic()
        first = next((suspect for suspect in self.suspects if suspect.send_at <= now), None)
        if first is None:
            return []
        self.suspects.remove(first)
        return [first]

    def _end_limit(self) -> None:
        self._limit = None
        self.become_hungry()


def _count_fitting(ended: list[Execution]) -> int:
    """Counts how many outcomes from the start one call may carry, at least one."""
    size = 0
    for count, execution in enumerate(ended[:MAX_BATCH]):
        size += _measure(execution.outcome)
        if size > MAX_BATCH_BYTES and count:
            return count
    return min(len(ended), MAX_BATCH)


def _measure(outcome: Settlement | None) -> int:
    if isinstance(outcome, Completed):
        return len(outcome.result)
    letter = outcome.letter if isinstance(outcome, Failed) else None
    return _SMALL_BYTES if letter is None else _SMALL_BYTES + len(letter.data)
