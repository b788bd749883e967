"""What jobs tell while they run: sent at once, what is told in one turn of the loop together."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

from toril.clock import Clock
from toril.errors import RedisUnavailable
from toril.runtime.call import Call
from toril.runtime.connection import is_temporary
from toril.runtime.sender import AsyncSender
from toril.runtime.worker.reconnect import Outage, Pauses

T = TypeVar("T")

_Waiting = tuple[Call[Any], "asyncio.Future[Any]"]

#: Calls in one round trip.
_MAX_BATCH = 500


class Outbox:
    """Sends calls that may safely be sent twice, and holds on to them while Redis is away.

    So a job does not fail because it told how far it is in a bad moment.
    """

    def __init__(self, sender: AsyncSender, clock: Clock, outage: Outage) -> None:
        self._sender = sender
        self._clock = clock
        self._outage = outage
        self._waiting: list[_Waiting] = []
        self._flusher: asyncio.Task[None] | None = None
        self._is_closed = False

    async def send(self, call: Call[T]) -> T:
        """Sends a call with what else is sent in this turn, and gives its reply."""
        if self._is_closed:
            raise RedisUnavailable("the worker has ended; nothing more is sent for its jobs")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._waiting.append((call, future))
        if self._flusher is None:
            self._flusher = loop.create_task(self._flush())
        return await future

    async def close(self) -> None:
        """Refuses what is still waiting; may come twice."""
        self._is_closed = True
        flusher, self._flusher = self._flusher, None
        if flusher is not None:
            flusher.cancel()
            await asyncio.wait([flusher])
        for _, future in self._waiting:
            if not future.done():
                future.set_exception(RedisUnavailable("the worker ended before this was sent"))
                future.exception()
        self._waiting.clear()

    async def _flush(self) -> None:
        pauses = Pauses()
        while self._waiting:
            batch = self._waiting[:_MAX_BATCH]
            del self._waiting[:_MAX_BATCH]
            left = await self._send_batch([entry for entry in batch if not entry[1].done()])
            if left:
                self._waiting[:0] = left
                await self._clock.sleep(pauses.next_s())
            else:
                pauses.reset()
        self._flusher = None

    async def _send_batch(self, batch: list[_Waiting]) -> list[_Waiting]:
        """Gives back what is to be sent again."""
        try:
            replies = await self._sender.send_many(
                [call for call, _ in batch], return_exceptions=True
            )
        except asyncio.CancelledError:
            self._waiting[:0] = batch
            raise
        except Exception as error:  # noqa: BLE001 - handed to whom it concerns
            replies = [error] * len(batch)
        left = []
        for entry, reply in zip(batch, replies, strict=True):
            if isinstance(reply, Exception) and is_temporary(reply):
                self._outage.failed(reply, during="telling of a job")
                left.append(entry)
            else:
                _resolve(entry[1], reply)
        return left


def _resolve(future: asyncio.Future[Any], reply: Any) -> None:
    if future.done():
        return
    if isinstance(reply, Exception):
        future.set_exception(reply)
    else:
        future.set_result(reply)
