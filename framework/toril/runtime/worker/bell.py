"""A bell that wakes one of those who wait for it."""

from __future__ import annotations

import asyncio
from collections import deque


class Bell:
    """Rung once or many times, it wakes one of those who wait; that one sees to all there is.

    For tasks that end together: one that is cancelled may take a ring with it.
    """

    def __init__(self) -> None:
        #: Whether a ring is not heard yet.
        self.is_rung = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    def ring(self) -> None:
        """Wakes one who waits, or the next who would."""
        if self.is_rung:
            return
        self.is_rung = True
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    async def wait(self) -> None:
        """Waits for a ring that nobody has heard."""
        while not self.is_rung:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            await waiter
        self.is_rung = False
