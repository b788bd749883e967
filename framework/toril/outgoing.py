"""Group commit of `add`: calls made in one turn of the loop travel together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from toril.runtime.calls.add import Added
from toril.runtime.chunks import cut_into_chunks
from toril.runtime.job import NewJob

#: Stores jobs in one call; gives what became of each, or raises for all.
Store = Callable[[Sequence[NewJob]], Awaitable[list[Added]]]


class Outgoing:
    """The jobs of this turn of the loop, and the calls that are under way."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._jobs: list[NewJob] = []
        self._futures: list[asyncio.Future[Added]] = []
        self._calls: set[asyncio.Task[None]] = set()

    def put(self, job: NewJob) -> asyncio.Future[Added]:
        """Takes a job along; the future tells when it is stored."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Added] = loop.create_future()
        if not self._jobs:
            # Whatever else is ready in this turn comes first, so its adds are in by then.
            loop.call_soon(self._leave)
        self._jobs.append(job)
        self._futures.append(future)
        return future

    async def drain(self) -> None:
        """Waits until everything that was put is stored or refused."""
        while self._jobs or self._calls:
            self._leave()
            await asyncio.wait(self._calls)

    def _leave(self) -> None:
        jobs, futures = self._jobs, self._futures
        self._jobs, self._futures = [], []
        start = 0
        for chunk in cut_into_chunks(jobs):
            end = start + len(chunk)
            call = asyncio.create_task(self._carry(chunk, futures[start:end]))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)
            start = end

    async def _carry(self, jobs: Sequence[NewJob], futures: list[asyncio.Future[Added]]) -> None:
        try:
            added = await self._store(jobs)
        except asyncio.CancelledError:
            for future in futures:
                future.cancel()
            raise
        # Whatever it is, it belongs to those who wait.
        except Exception as error:  # noqa: BLE001
            for future in futures:
                if not future.done():
                    future.set_exception(error)
        else:
            for future, one in zip(futures, added, strict=True):
                if not future.done():
                    future.set_result(one)
