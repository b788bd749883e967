"""Notices jobs that block the event loop, and says which and where.

A process that did not run at all, as one that was stopped, is told apart: no job is to blame.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")

#: A loop that stood still for so long was blocked.
BLOCKED_S = 1.0
#: Both sides look so often within that time.
_LOOKS = 4
#: A process that used less than this part of a time was not at work in it.
_AT_WORK = 0.1


class PauseMeter:
    """Adds up the times in which nothing of this process ran; both sides of the watch ask it.

    In such a time neither side looked, and the processor was hardly used: code that holds the
    interpreter uses it.
    """

    def __init__(self, *, after_s: float) -> None:
        self._after_s = after_s
        self._lock = threading.Lock()
        self._looked = (time.monotonic(), time.process_time())
        self._paused_s = 0.0

    def look(self) -> tuple[float, float]:
        """Gives what the time is, and how many seconds were pauses so far."""
        with self._lock:
            now, worked = time.monotonic(), time.process_time()
            gone_s, worked_s = now - self._looked[0], worked - self._looked[1]
            self._looked = (now, worked)
            if gone_s > self._after_s and worked_s < gone_s * _AT_WORK:
                self._paused_s += gone_s
            return now, self._paused_s


class LoopWatch(Generic[T]):
    """Watches the loop from a thread; `on_blocked` is called on the loop once it turns again.

    It is given what `identify` made of the task that held the loop (None: it could not be seen,
    as when C code held the interpreter), the seconds, and the innermost frames. `identify` runs
    in the thread, while the loop stands still. Real time: a virtual clock cannot be blocked.

    `on_paused` is called with the seconds in which the thread stood still as well, without work.
    """

    def __init__(
        self,
        *,
        identify: Callable[[asyncio.Task[Any]], T | None],
        on_blocked: Callable[[T | None, float, str], None],
        on_paused: Callable[[float], None],
        after_s: float = BLOCKED_S,
    ) -> None:
        self._identify = identify
        self._on_blocked = on_blocked
        self._on_paused = on_paused
        self._after_s = after_s
        self._beat_s = after_s / _LOOKS
        self._ended = threading.Event()
        self._last_beat = (0.0, 0.0)
        self._caught: tuple[T | None, str] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts to watch the running loop."""
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._pauses = PauseMeter(after_s=self._after_s / 2)
        self._last_beat = self._pauses.look()
        self._timer = self._loop.call_later(self._beat_s, self._beat)
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
        (then, paused_then), self._last_beat = self._last_beat, self._pauses.look()
        now, paused_now = self._last_beat
        paused_s = paused_now - paused_then
        blocked_s = now - then - paused_s
        who, where = self._caught or (None, "")
        self._caught = None
        self._timer = self._loop.call_later(self._beat_s, self._beat)
        if blocked_s >= self._after_s + self._beat_s:
            self._on_blocked(who, round(blocked_s, 2), where)
        if paused_s >= self._after_s:
            self._on_paused(round(paused_s, 2))

    def _watch(self) -> None:
        while not self._ended.wait(self._beat_s):
            # From half the time on: the thread may be late itself.
            then, paused_then = self._last_beat
            now, paused_now = self._pauses.look()
            late_s = now - then - (paused_now - paused_then)
            if self._caught is None and late_s >= self._after_s / 2 + self._beat_s:
                task = asyncio.current_task(self._loop)
                self._caught = (self._identify(task) if task else None, self._innermost_frames())

    def _innermost_frames(self) -> str:
        frame = sys._current_frames().get(self._loop_thread)
        stack = traceback.extract_stack(frame)[-3:] if frame is not None else []
        return " < ".join(f"{f.filename}:{f.lineno} {f.name}" for f in reversed(stack))
