"""Notices jobs that block the event loop, and says which and where."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: How often the loop shows that it turns, and the watcher looks.
BEAT_S = 0.5
#: A loop that stood still for so long was blocked.
BLOCKED_S = 1.0


@dataclass(frozen=True, slots=True)
class Blocked:
    """One time that the loop stood still."""

    seconds: float
    #: The task that held it, None if the watcher could not run meanwhile.
    task: asyncio.Task[Any] | None
    #: Innermost frames of the loop's thread while it was held.
    where: str


class LoopWatch:
    """Watches the loop from a thread; `on_blocked` is called on the loop once it turns again.

    Real time: a virtual clock cannot be blocked.
    """

    def __init__(
        self, on_blocked: Callable[[Blocked], None], *, after_s: float = BLOCKED_S
    ) -> None:
        self._on_blocked = on_blocked
        self._after_s = after_s
        self._ended = threading.Event()
        self._last_beat = 0.0
        self._caught: tuple[asyncio.Task[Any] | None, str] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts to watch the running loop."""
        self._loop = asyncio.get_running_loop()
        self._thread_id = threading.get_ident()
        self._last_beat = time.monotonic()
        self._timer = self._loop.call_later(BEAT_S, self._beat)
        self._thread = threading.Thread(target=self._watch, name="toril-loop-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends; may come twice, or before `start`."""
        self._ended.set()
        if self._timer is not None:
            self._timer.cancel()
        if self._thread is not None:
            self._thread.join()

    def _beat(self) -> None:
        now = time.monotonic()
        late_s, self._last_beat = now - self._last_beat - BEAT_S, now
        task, where = self._caught or (None, "")
        self._caught = None
        self._timer = self._loop.call_later(BEAT_S, self._beat)
        if late_s >= self._after_s:
            self._on_blocked(Blocked(round(late_s, 2), task, where))

    def _watch(self) -> None:
        while not self._ended.wait(BEAT_S):
            late_s = time.monotonic() - self._last_beat - BEAT_S
            if late_s >= self._after_s and self._caught is None:
                self._caught = (asyncio.current_task(self._loop), self._innermost_frames())

    def _innermost_frames(self) -> str:
        frame = sys._current_frames().get(self._thread_id)
        stack = traceback.extract_stack(frame, limit=None)[-3:] if frame is not None else []
        return " < ".join(f"{f.filename}:{f.lineno} {f.name}" for f in reversed(stack))
