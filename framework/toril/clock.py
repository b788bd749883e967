"""The clock that everything asks: wall time for what is stored, monotonic time for timers.

Wall time is what goes into Redis and must agree between hosts, so it is the Redis server's: the
offset is measured and set by whoever connects. Timers never use it.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time and waits for it; tests pass a virtual one."""

    @property
    def is_servers(self) -> bool:
        """Whether it goes with the Redis server's, so that a script may ask when it runs."""
        ...

    def now_ms(self) -> int:
        """Gives wall time in milliseconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Gives monotonic seconds, for timers only."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Waits for so many seconds of this clock."""
        ...


class SystemClock:
    """The host's clock, moved by the measured offset to the Redis server's."""

    is_servers = True

    def __init__(self) -> None:
        self.offset_ms = 0

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.offset_ms

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
