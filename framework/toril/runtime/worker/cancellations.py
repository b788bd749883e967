"""Hears of jobs that are cancelled while they run here, and stops them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from redis.asyncio import Redis

from toril.runtime.call import Call
from toril.runtime.connection import REDIS_ERRORS
from toril.runtime.own_fields import CANCELLED
from toril.runtime.worker.execution import Cause
from toril.runtime.worker.ground import Ground
from toril.runtime.worker.in_hand import JobsInHand
from toril.runtime.worker.reconnect import Pauses
from toril.runtime.worker.served_queue import ServedQueue

#: As often all running jobs are looked at, in case a message was lost.
LOOK_EVERY_S = 5.0


class Cancellations:
    """Listens on one connection for all queues of a worker; what it misses, it finds later."""

    def __init__(
        self,
        ground: Ground,
        queues: Mapping[str, ServedQueue],
        in_hand: JobsInHand,
        *,
        connect: Callable[[], Redis],
    ) -> None:
        self._ground = ground
        self._in_hand = in_hand
        self._connect = connect
        self._queues = queues
        self._channels = {each.keys.cancel_channel().encode(): each for each in queues.values()}

    async def run(self) -> None:
        """Listens until cancelled, through lost connections."""
        pauses = Pauses()
        while True:
            try:
                await self._listen(pauses)
            except (*REDIS_ERRORS, TimeoutError):
                # Other parts say that Redis is away.
                await asyncio.sleep(pauses.next_s())

    async def _listen(self, pauses: Pauses) -> None:
        client = self._connect()
        try:
            async with client.pubsub(ignore_subscribe_messages=True) as listener:
                await listener.subscribe(*self._channels)
                while True:
                    await self._look()
                    pauses.reset()
                    await self._hear(listener)
        finally:
            await client.aclose()

    async def _hear(self, listener: Any) -> None:
        """Takes messages until it is time to look again."""
        loop = asyncio.get_running_loop()
        until = loop.time() + LOOK_EVERY_S
        while (left_s := until - loop.time()) > 0:
            message = await listener.get_message(timeout=left_s)
            if message is not None:
                served = self._channels[message["channel"]]
                await self._check(served, message["data"].decode("utf-8", "replace"))

    async def _look(self) -> None:
        """Looks at every job that runs here: messages are lost with a connection."""
        for served in self._queues.values():
            for job_id in list(served.running):
                await self._check(served, job_id)

    async def _check(self, served: ServedQueue, job_id: str) -> None:
        """Stops a job that runs here if it carries the mark."""
        execution = served.running.get(job_id)
        if execution is None or execution.cause is not None:
            return
        call: Call[bytes | None] = Call(
            None, (), ("HGET", served.keys.job(job_id), CANCELLED), lambda reply: reply
        )
        reason = await self._ground.sender.send(call)
        if reason is not None and served.running.get(job_id) is execution:
            execution.stop(Cause.CANCELLED, reason.decode("utf-8", "replace"))
