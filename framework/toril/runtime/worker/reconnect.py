"""Pauses between attempts to reach Redis again, and one event a second about it at most."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tenacity import RetryCallState, Retrying, wait_exponential, wait_random
from tenacity.wait import wait_base

from toril.clock import Clock
from toril.runtime.connection import is_dead_connection, is_temporary

#: Takes an event's stable name and its fields.
OnEvent = Callable[[str, Mapping[str, Any]], None]

#: 0.1 s, 0.2 s, ... up to 3 s, each with up to half a second on top, so that workers spread out.
RECONNECT_WAIT: wait_base = wait_exponential(multiplier=0.1, max=3) + wait_random(0, 0.5)

_SAY_EVERY_S = 1.0


class Pauses:
    """Counts failed attempts and gives the pause before the next."""

    def __init__(self, wait: wait_base = RECONNECT_WAIT) -> None:
        self._wait = wait
        self._state = RetryCallState(Retrying(), None, (), {})
        self._failed = 0

    def next_s(self) -> float:
        """Gives the seconds to wait after one more failure."""
        self._failed += 1
        self._state.attempt_number = min(self._failed, 30)
        return float(self._wait(self._state))

    def reset(self) -> None:
        """Starts over after a success."""
        self._failed = 0


class Outage:
    """What is said while Redis is away: when it began, now and then, and when it is over.

    Events: `redis_unavailable` (error, during, for_s), once a second at most; `redis_available`
    (after_s); `call_failed` (error, during): Redis is there, and answered with an error.
    """

    def __init__(self, clock: Clock, on_event: OnEvent) -> None:
        self._clock = clock
        self._on_event = on_event
        self._began: float | None = None
        self._said = float("-inf")
        #: How many there were; a new one starts with short pauses again.
        self.number = 0

    @property
    def is_on(self) -> bool:
        """Whether the last attempt to reach it failed."""
        return self._began is not None

    def failed(self, error: BaseException, *, during: str) -> None:
        """Notes a failure; says so unless that was done within the last second."""
        now = self._clock.monotonic()
        is_away = is_temporary(error) or is_dead_connection(error)
        if is_away and self._began is None:
            self._began = now
            self.number += 1
        if now - self._said < _SAY_EVERY_S:
            return
        self._said = now
        fields: dict[str, Any] = {"error": f"{type(error).__name__}: {error}", "during": during}
        if is_away and self._began is not None:
            fields["for_s"] = round(now - self._began, 1)
        self._on_event("redis_unavailable" if is_away else "call_failed", fields)

    def over(self) -> None:
        """Notes a success; says so if there was an outage."""
        if self._began is not None:
            gone_s = self._clock.monotonic() - self._began
            self._began = None
            self._on_event("redis_available", {"after_s": round(gone_s, 1)})
