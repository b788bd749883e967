"""Timers on the given clock: one sleeper serves timeouts, due jobs and rate limits."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable

from toril.clock import Clock

#: Below this many, cancelled alarms are not worth a sweep.
_FEW = 256


class Alarm:
    """One instant and what is called then, unless it is cancelled before."""

    __slots__ = ("_owner", "callback", "is_cancelled", "when")

    def __init__(self, owner: Alarms, when: float, callback: Callable[[], None]) -> None:
        self._owner = owner
        self.when = when
        self.callback = callback
        self.is_cancelled = False

    def cancel(self) -> None:
        """Makes sure it does not ring (again); may come twice."""
        if not self.is_cancelled:
            self.is_cancelled = True
            self._owner.forget_one()


class Alarms:
    """Rings callbacks at instants of the clock's monotonic time, in order."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Alarm]] = []
        self._order = itertools.count()
        self._cancelled = 0
        self._sleeper: asyncio.Task[None] | None = None
        self._sleeps_until = float("inf")

    def after(self, seconds: float, callback: Callable[[], None]) -> Alarm:
        """Calls back once so many seconds have passed."""
        return self.at(self._clock.monotonic() + seconds, callback)

    def at(self, when: float, callback: Callable[[], None]) -> Alarm:
        """Calls back at a monotonic instant, at the loop's next turn if that is past."""
        alarm = Alarm(self, when, callback)
        heapq.heappush(self._heap, (when, next(self._order), alarm))
        if when < self._sleeps_until:
            self._sleep_until(when)
        return alarm

    async def close(self) -> None:
        """Ends without ringing what is left; may come twice."""
        self._heap.clear()
        sleeper, self._sleeper = self._sleeper, None
        if sleeper is not None:
            sleeper.cancel()
            await asyncio.wait([sleeper])

    def forget_one(self) -> None:
        """Counts a cancelled alarm, and sweeps them when they are most of the heap."""
        self._cancelled += 1
        if self._cancelled > _FEW and self._cancelled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if not entry[2].is_cancelled]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def _sleep_until(self, when: float) -> None:
        if self._sleeper is not None:
            self._sleeper.cancel()
        self._sleeps_until = when
        self._sleeper = asyncio.get_running_loop().create_task(self._sleep(when))

    async def _sleep(self, when: float) -> None:
        while True:
            await self._clock.sleep(when - self._clock.monotonic())
            if self._clock.monotonic() >= when:
                break
        self._sleeper = None
        self._sleeps_until = float("inf")
        self._ring()

    def _ring(self) -> None:
        now = self._clock.monotonic()
        while self._heap and self._heap[0][0] <= now:
            _, _, alarm = heapq.heappop(self._heap)
            if alarm.is_cancelled:
                self._cancelled = max(self._cancelled - 1, 0)
            else:
                alarm.is_cancelled = True
                alarm.callback()
        if self._heap and self._heap[0][0] < self._sleeps_until:
            self._sleep_until(self._heap[0][0])
