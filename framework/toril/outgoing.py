"""Group commit of `add`: calls made in one turn of the loop travel together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from toril.runtime.calls.add import Added
from toril.runtime.chunks import cut_into_chunks
from toril.runtime.job import NewJob

#: Stores jobs in one call, written at once; gives what became of each, or raises for all.
Store = Callable[[Sequence[NewJob]], Coroutine[Any, Any, list[Added]]]

#: So many jobs leave before their turn ends: the server works on them while more are made.
FULL = 32


class Outgoing:
    """The jobs of this turn of the loop, and the calls that are under way."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._jobs: list[NewJob] = []
        self._futures: list[asyncio.Future[Added]] = []
        #: How many calls are.
        self._under_way = 0
        self._one_ended = asyncio.Event()
        #: Tasks are held here, or they might be collected.
        self._tasks: set[asyncio.Task[list[Added]]] = set()

    def put(self, job: NewJob) -> Awaitable[Added]:
        """Takes a job along; what it gives tells when it is stored.

        A job leaves at once if no other is under way: it is alone, or the first of its turn.
        """
        if not self._under_way and not self._jobs:
            return self._carry_one(self._send((job,)))
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Added] = loop.create_future()
        if not self._jobs:
            # Whatever else is ready in this turn comes first, so its adds are in by then.
            loop.call_soon(self._leave)
        self._jobs.append(job)
        self._futures.append(future)
        if len(self._jobs) == FULL:
            self._leave()
        return future

    async def drain(self) -> None:
        """Waits until everything that was put is stored or refused."""
        self._leave()
        while self._under_way:
            self._one_ended.clear()
            await self._one_ended.wait()
            self._leave()

    def _leave(self) -> None:
        jobs, futures = self._jobs, self._futures
        self._jobs, self._futures = [], []
        start = 0
        for chunk in cut_into_chunks(jobs):
            end = start + len(chunk)
            self._send_many(chunk, futures[start:end])
            start = end

    def _send_many(self, jobs: Sequence[NewJob], futures: list[asyncio.Future[Added]]) -> None:
        try:
            storing = self._send(jobs)
        # Whatever it is, it belongs to those who wait.
        except Exception as error:  # noqa: BLE001
            _refuse(futures, error)
            return
        task = asyncio.get_running_loop().create_task(storing)
        self._tasks.add(task)
        # No coroutine's `finally`: a task that is cancelled before its first step runs none.
        task.add_done_callback(partial(self._hand_out, futures))

    def _send(self, jobs: Sequence[NewJob]) -> Coroutine[Any, Any, list[Added]]:
        storing = self._store(jobs)
        self._under_way += 1
        return storing

    def _note_ended(self) -> None:
        self._under_way -= 1
        self._one_ended.set()

    async def _carry_one(self, storing: Awaitable[list[Added]]) -> Added:
        try:
            [added] = await storing
        finally:
            self._note_ended()
        return added

    def _hand_out(
        self, futures: Sequence[asyncio.Future[Added]], task: asyncio.Task[list[Added]]
    ) -> None:
        self._tasks.discard(task)
        self._note_ended()
        if task.cancelled():
            for future in futures:
                future.cancel()
        elif error := task.exception():
            _refuse(futures, error)
        else:
            for future, one in zip(futures, task.result(), strict=True):
                if not future.done():
                    future.set_result(one)


def _refuse(futures: Sequence[asyncio.Future[Added]], error: BaseException) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)
