"""The jobs a worker holds: starting them, taking their outcomes, losing them, handing them back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence

from toril.runtime.job import ClaimedJob
from toril.runtime.outcomes import Settlement
from toril.runtime.worker.decide import give_back
from toril.runtime.worker.execution import Cause, Execution
from toril.runtime.worker.ground import Ground
from toril.runtime.worker.launcher import Launcher
from toril.runtime.worker.plans import find_plan
from toril.runtime.worker.served_queue import ServedQueue


class JobsInHand:
    """Puts claimed jobs into slots and what they end with into the next round."""

    def __init__(self, ground: Ground, queues: Sequence[ServedQueue], launcher: Launcher) -> None:
        self._ground = ground
        self._queues = queues
        self._launcher = launcher
        #: Set whenever a job ended or a reply was read.
        self.changed = asyncio.Event()
        #: The worker ends: what still comes is handed back.
        self.is_closing = False

    def executions(self) -> Iterator[Execution]:
        """Every run that goes on."""
        for served in self._queues:
            yield from tuple(served.running.values())
            yield from tuple(served.outlived)

    def deliver(self, served: ServedQueue, jobs: Iterable[ClaimedJob]) -> None:
        """Runs claimed jobs, or hands them back if the worker ends or has no slot for them."""
        started_ms, claimed_at = self._ground.clock.now_ms(), self._ground.clock.monotonic()
        for job in jobs:
            plan = find_plan(served.plans, job)
            execution = Execution(
                served=served, job=job, plan=plan, started_ms=started_ms, claimed_at=claimed_at
            )
            if self.is_closing or served.free <= 0:
                self._settle(execution, give_back(job))
                continue
            older = served.add_running(execution)
            if older is not None:
                self.lose(older)
            self._launcher.launch(execution, self.take_outcome)

    def take_outcome(self, execution: Execution, outcome: Settlement | None) -> None:
        """Frees the slot; the outcome goes into the next round, unless the job was lost."""
        if not execution.served.drop_running(execution):
            return
        if outcome is not None:
            self._settle(execution, outcome)
        else:
            execution.served.become_hungry()
        self.changed.set()

    def lose(self, execution: Execution) -> None:
        """Tells a run that its job belongs to someone else now."""
        if execution.cause is not Cause.LOST:
            self._ground.news.lost(execution)
            execution.stop(Cause.LOST)

    def stop_all(self) -> None:
        """Cancels what still runs; coroutines hand their jobs back as they end."""
        for execution in self.executions():
            execution.stop(Cause.STOPPING)

    def cut_off(self) -> None:
        """Hands back the jobs of what would not end; how it ends is ignored from now on."""
        for execution in self.executions():
            execution.served.drop_running(execution)
            if execution.cause is not Cause.LOST:
                self._settle(execution, give_back(execution.job))

    async def wait_until(
        self, condition: Callable[[], bool], deadline: Callable[[], float]
    ) -> None:
        """Waits until the condition holds or the loop's time is past the deadline."""
        loop = asyncio.get_running_loop()
        while not condition() and (left_s := deadline() - loop.time()) > 0:
            self.changed.clear()
            try:
                async with asyncio.timeout(left_s if left_s < float("inf") else None):
                    await self.changed.wait()
            except TimeoutError:
                continue

    def is_idle(self) -> bool:
        """Whether nothing runs."""
        return not any(served.running or served.outlived for served in self._queues)

    def is_settled(self) -> bool:
        """Whether nothing runs and Redis has accepted every outcome."""
        return all(served.is_settled for served in self._queues)

    def _settle(self, execution: Execution, outcome: Settlement) -> None:
        execution.outcome = self._ground.with_letter(execution.job, outcome)
        execution.served.ended.append(execution)
        self._ground.work.ring()
