"""Idle named connections by which BullMQ's tools count the workers of each queue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from redis.asyncio import Redis

from toril.clock import Clock
from toril.runtime.calls.queues import name_of_worker
from toril.runtime.connection import REDIS_ERRORS
from toril.runtime.keys import QueueKeys
from toril.runtime.worker.reconnect import Pauses

#: How often each connection is asked whether it is still there.
_PING_EVERY_S = 60.0
_ANSWER_WITHIN_S = 10.0


def connection_name(keys: QueueKeys, worker: str) -> str:
    """The name BullMQ looks for; it cannot hold spaces or control characters."""
    printable = "".join(c if "!" <= c <= "~" else "-" for c in worker)
    return name_of_worker(keys.prefix, keys.queue, printable)


class Announcer:
    """Keeps one named connection per queue open; a server that refuses names is left alone."""

    def __init__(
        self, connect: Callable[[], Redis], keys: Sequence[QueueKeys], worker: str, clock: Clock
    ) -> None:
        self._connect = connect
        self._names = [connection_name(each, worker) for each in keys]
        self._clock = clock
        self._connections: dict[str, Any] = {}

    async def run(self) -> None:
        """Opens the connections and reopens lost ones until cancelled."""
        client = self._connect()
        pauses = Pauses()
        try:
            while True:
                try:
                    async with asyncio.timeout(_ANSWER_WITHIN_S):
                        for name in self._names:
                            await self._keep_open(client, name)
                    pauses.reset()
                    pause_s = _PING_EVERY_S
                except (*REDIS_ERRORS, TimeoutError):
                    # Whoever needs Redis for work says that it is away; a count is not worth it.
                    pause_s = pauses.next_s()
                await self._clock.sleep(pause_s)
        finally:
            await self._close(client)

    async def _keep_open(self, client: Redis, name: str) -> None:
        connection = self._connections.pop(name, None)
        try:
            if connection is None:
                pool: Any = client.connection_pool
                connection = await pool.get_connection()
                await _ask(connection, "CLIENT", "SETNAME", name)
            else:
                await _ask(connection, "PING")
        except BaseException:
            if connection is not None:
                await connection.disconnect(nowait=True)
            raise
        self._connections[name] = connection

    async def _close(self, client: Redis) -> None:
        connections, self._connections = self._connections, {}
        for connection in connections.values():
            await connection.disconnect(nowait=True)
        await client.aclose()


async def _ask(connection: Any, *parts: str) -> None:
    await connection.send_command(*parts)
    await connection.read_response()
