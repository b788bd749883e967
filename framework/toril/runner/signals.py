"""What signals mean to `toril run`: stop, and on a second Ctrl-C, hand back at once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class StopSignals:
    """Listens for SIGTERM, SIGINT and SIGHUP while it is installed.

    The first one stops; after it a SIGINT means that someone is waiting, and hurries.
    """

    def __init__(self, on_stop: Callable[[str], None], on_hurry: Callable[[], None]) -> None:
        self._on_stop = on_stop
        self._on_hurry = on_hurry
        self._is_stopping = False

    def install(self) -> None:
        """Takes the signals over from Python, on the running loop."""
        loop = asyncio.get_running_loop()
        for number in _STOPPING:
            loop.add_signal_handler(number, self._receive, number)

    def uninstall(self) -> None:
        """Gives the signals back; may come before `install`."""
        loop = asyncio.get_running_loop()
        for number in _STOPPING:
            loop.remove_signal_handler(number)

    def _receive(self, number: signal.Signals) -> None:
        if not self._is_stopping:
            self._is_stopping = True
            self._on_stop(number.name)
        elif number == signal.SIGINT:
            self._on_hurry()
