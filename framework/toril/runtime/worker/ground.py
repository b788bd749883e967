"""What all parts of one worker stand on."""

from __future__ import annotations

from dataclasses import dataclass, field

from toril.clock import Clock
from toril.runtime.dead_letters import DeadLetters
from toril.runtime.job import ClaimedJob
from toril.runtime.outcomes import Failed, Settlement
from toril.runtime.sender import AsyncSender
from toril.runtime.worker.alarms import Alarms
from toril.runtime.worker.bell import Bell
from toril.runtime.worker.news import News
from toril.runtime.worker.outbox import Outbox
from toril.runtime.worker.reconnect import Outage


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """Shared by the parts of one worker, and by nobody else."""

    prefix: str
    #: The value of its locks.
    token: str
    #: Its name for people.
    worker: str
    sender: AsyncSender
    clock: Clock
    alarms: Alarms
    outage: Outage
    outbox: Outbox
    news: News
    dead_letters: DeadLetters
    #: Rung by whoever has something for the next round of settling and claiming.
    work: Bell = field(default_factory=Bell)

    def with_letter(self, job: ClaimedJob, outcome: Settlement) -> Settlement:
        """Gives an outcome back, with the dead letter that goes with a failure for good."""
        if not isinstance(outcome, Failed):
            return outcome
        return self.dead_letters.attach(job, outcome, now_ms=self.clock.now_ms())
