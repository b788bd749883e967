"""Notices runs that go on beyond their limit, by one alarm for all of a worker."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from toril.clock import Clock
from toril.runtime.worker.alarms import Alarm, Alarms
from toril.runtime.worker.execution import Execution
from toril.runtime.worker.lifetime import TimeLimit
from toril.runtime.worker.served_queue import ServedQueue

_NEVER = float("inf")


class Deadlines:
    """Calls `on_over` once for each run that reaches its limit, told by the worker's clock.

    When the alarm rings, all runs are looked at; so one that ends in time, as nearly all do, costs
    no more than to note its deadline.
    """

    def __init__(
        self,
        alarms: Alarms,
        clock: Clock,
        queues: Sequence[ServedQueue],
        *,
        on_over: Callable[[Execution], None],
    ) -> None:
        self._alarms = alarms
        self._clock = clock
        self._queues = queues
        self._on_over = on_over
        self._alarm: Alarm | None = None
        self._rings_at = _NEVER

    def begin(self, execution: Execution, limit: TimeLimit) -> None:
        """Counts the limit from now."""
        execution.limit = limit
        execution.deadline = self._clock.monotonic() + limit.ms / 1000
        if execution.deadline < self._rings_at:
            self._ring_at(execution.deadline)

    def _ring_at(self, when: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._rings_at = when
        self._alarm = self._alarms.at(when, self._look)

    def _look(self) -> None:
        self._alarm, self._rings_at = None, _NEVER
        now, first = self._clock.monotonic(), _NEVER
        for served in self._queues:
            for execution in (*served.running.values(), *served.outlived):
                if execution.deadline <= now:
                    execution.deadline = _NEVER
                    self._on_over(execution)
                else:
                    first = min(first, execution.deadline)
        if first < self._rings_at:
            self._ring_at(first)
