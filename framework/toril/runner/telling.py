"""What a worker process tells its supervisor: every job is counted, not every one has its line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from toril.runner.channel import Message

#: Lines about single jobs that a second may have, and how many may come at once.
LINES_A_SECOND = 50.0
LINES_AT_ONCE = 100.0

#: Events that say how a job ended; they are counted.
COUNTED = frozenset(
    {
        "job_completed",
        "job_failed",
        "job_retrying",
        "job_postponed",
        "job_rate_limited",
        "job_waits_for_children",
        "job_given_back",
    }
)


class Telling:
    """Passes events on, and beyond a pace only counts those about single jobs."""

    def __init__(self, send: Callable[[Message], None], *, monotonic: Callable[[], float]) -> None:
        self._send = send
        self._monotonic = monotonic
        self._room = LINES_AT_ONCE
        self._looked = monotonic()
        self._counts: dict[tuple[str, str], int] = {}
        self._untold = 0

    def tell(self, event: str, fields: Mapping[str, Any]) -> None:
        """Takes an event of the worker or its plugins."""
        if event in COUNTED:
            place = (fields["queue"], event)
            self._counts[place] = self._counts.get(place, 0) + 1
        # Where starts are told at all, the supervisor counts on each.
        if "job" in fields and event != "job_started" and not self._has_room():
            self._untold += 1
        else:
            self._send_event(event, fields)

    def report(self) -> None:
        """Sends what was counted since the last time, if anything was."""
        if not self._counts and not self._untold:
            return
        counts = [[queue, event, count] for (queue, event), count in self._counts.items()]
        self._send({"say": "counts", "counts": counts, "untold": self._untold})
        self._counts.clear()
        self._untold = 0

    def _send_event(self, event: str, fields: Mapping[str, Any]) -> None:
        self._send({"say": "event", "event": event, "fields": dict(fields)})

    def _has_room(self) -> bool:
        now = self._monotonic()
        self._room = min(LINES_AT_ONCE, self._room + (now - self._looked) * LINES_A_SECOND)
        self._looked = now
        if self._room < 1:
            return False
        self._room -= 1
        return True
