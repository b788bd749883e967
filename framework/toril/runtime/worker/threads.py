"""Threads for plain functions: grown on demand, and never in the way of the process's end."""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
from collections.abc import Callable
from typing import Any

#: A function's end: (True, what it returned) or (False, what it raised).
Ending = tuple[bool, Any]

_Work = tuple[Callable[[], Any], contextvars.Context, "asyncio.Future[Ending]"]


class Threads:
    """Runs functions in threads, as many at once as are asked for.

    There is no upper bound here: every function runs in a slot, and those are counted. The threads
    are daemons, because a function that never returns must not keep the process alive.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._waiting: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._started = 0
        self._busy = 0

    async def run(self, function: Callable[[], Any]) -> Ending:
        """Runs a function in a thread; what it raises comes back as a value."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Ending] = loop.create_future()
        self._busy += 1
        if self._busy > self._started:
            self._start_one(loop)
        self._waiting.put((function, contextvars.copy_context(), future))
        return await future

    def close(self) -> None:
        """Lets every thread end once its function has returned; does not wait for them."""
        for _ in range(self._started):
            self._waiting.put(None)
        self._started = 0

    def _start_one(self, loop: asyncio.AbstractEventLoop) -> None:
        self._started += 1
        name = f"{self._name}-{self._started}"
        threading.Thread(target=self._work, args=(loop,), name=name, daemon=True).start()

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while (work := self._waiting.get()) is not None:
            function, context, future = work
            try:
                ending: Ending = (True, context.run(function))
            except BaseException as error:  # noqa: BLE001 - SystemExit too is the job's failure
                ending = (False, error)
            try:
                loop.call_soon_threadsafe(self._resolve, future, ending)
            except RuntimeError:  # the loop is closed: the process is ending
                return
            del work, function, context, future, ending

    def _resolve(self, future: asyncio.Future[Ending], ending: Ending) -> None:
        self._busy -= 1
        if not future.done():
            future.set_result(ending)
