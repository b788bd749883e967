"""What workers count instead of telling it: jobs a second, and events not told one by one."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable

#: The span that rates are over.
SPAN_S = 5.0

#: What counts as the end of a job.
_ENDS = frozenset({"job_completed", "job_failed"})


class Throughput:
    """Counts what workers report, by queue."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._began = monotonic()
        self._recent: deque[tuple[float, str, int]] = deque()
        self._sums: Counter[str] = Counter()

    def count(self, queue: str, event: str, number: int) -> None:
        """Takes what one worker reports of one queue."""
        if event in _ENDS:
            self._recent.append((self._monotonic(), queue, number))
            self._sums[queue] += number

    def rate_of(self, queue: str) -> float:
        """Gives the jobs of a queue that ended a second."""
        now = self._monotonic()
        while self._recent and self._recent[0][0] < now - SPAN_S:
            _, old, number = self._recent.popleft()
            self._sums[old] -= number
        return self._sums[queue] / max(min(now - self._began, SPAN_S), 1.0)


class Untold:
    """Sums what workers only counted, to be said once a second."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._said = monotonic()
        self._sum = 0

    def add(self, number: int) -> int:
        """Takes a number, and gives the sum if it is time to say it, else 0."""
        self._sum += number
        return self.take() if self._monotonic() - self._said >= 1.0 else 0

    def take(self) -> int:
        """Gives the sum, and starts a new one."""
        number, self._sum = self._sum, 0
        self._said = self._monotonic()
        return number
