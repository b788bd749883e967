"""Sends calls through redis-py, with asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Literal, TypeVar, overload

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from toril.runtime.call import Call, parse_reply
from toril.runtime.cancellation import heed_cancellation
from toril.runtime.connection import REDIS_ERRORS, is_dead_connection, translate_error
from toril.runtime.scripts import build_command, build_loading_command, write_command

T = TypeVar("T")


class AsyncSender:
    """Sends calls one by one or many in a round trip; never sends one twice that may have run.

    Takes connections out of redis-py's pool and keeps them: what the pool and `execute_command` do
    for each command (locks, retries, metrics, a task to write in) takes as long as all else.
    """

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._idle: list[Any] = []
        self._reply_timeout_s: float | None = redis.connection_pool.connection_kwargs.get(
            "socket_timeout"
        )

    async def send(self, call: Call[T]) -> T:
        """Sends a call and gives its parsed reply.

        Raises RedisRefused if the server did not run it, another RedisUnavailable if it may have.
        """
        (reply,) = await self._exchange([build_command(call)])
        if isinstance(reply, NoScriptError):
            (reply,) = await self._exchange([build_loading_command(call)])
        if isinstance(reply, Exception):
            await self._drop_dead(reply)
            raise translate_error(reply, self.redis) from reply
        return call.parse(reply)

    @overload
    async def send_many(
        self, calls: Sequence[Call[T]], *, return_exceptions: Literal[False] = False
    ) -> list[T]: ...

    @overload
    async def send_many(
        self, calls: Sequence[Call[T]], *, return_exceptions: Literal[True]
    ) -> list[T | Exception]: ...

    async def send_many(
        self, calls: Sequence[Call[T]], *, return_exceptions: bool = False
    ) -> list[T] | list[T | Exception]:
        """Sends calls in one round trip, not as a transaction.

        All replies are read; then the first error is raised, or each stands in its call's place.
        """
        if not calls:
            return []
        replies = await self._exchange([build_command(call) for call in calls])
        missing = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if missing:
            again = await self._exchange([build_loading_command(calls[i]) for i in missing])
            for index, reply in zip(missing, again, strict=True):
                replies[index] = reply
        for reply in replies:
            if isinstance(reply, Exception):
                await self._drop_dead(reply)
        results = [
            translate_error(reply, self.redis)
            if isinstance(reply, Exception)
            else parse_reply(call, reply)
            for call, reply in zip(calls, replies, strict=True)
        ]
        if not return_exceptions:
            for result in results:
                if isinstance(result, Exception):
                    raise result
        return results

    async def _exchange(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        """Sends commands in one go; gives their replies, an error in its command's place."""
        try:
            return await heed_cancellation(self._exchange_on(self._take(), commands))
        except REDIS_ERRORS as error:
            await self._drop_dead(error)
            raise translate_error(error, self.redis) from error

    def _take(self) -> Any:
        if self._idle:
            return self._idle.pop()
        pool: Any = self.redis.connection_pool
        connection = pool.get_available_connection()
        # Writing and reading have one deadline; redis-py's own needs a task for each write.
        connection.socket_timeout = None
        return connection

    async def _exchange_on(self, connection: Any, commands: list[tuple[Any, ...]]) -> list[Any]:
        try:
            async with asyncio.timeout(self._reply_timeout_s):
                await self.redis.connection_pool.ensure_connection(connection)
                written = [b"".join(map(write_command, commands))]
                await connection.send_packed_command(written, check_health=False)
                return [await self._read_reply(connection, command[0]) for command in commands]
        except TimeoutError as error:
            await connection.disconnect(nowait=True)
            raise RedisTimeoutError(f"no reply within {self._reply_timeout_s:g} s") from error
        except BaseException:
            # A reply that comes later would be taken for the next command's.
            await connection.disconnect(nowait=True)
            raise
        finally:
            self._idle.append(connection)

    async def _read_reply(self, connection: Any, command: str) -> Any:
        try:
            return await self.redis.parse_response(connection, command)
        except ResponseError as error:
            return error

    async def _drop_dead(self, error: Exception) -> None:
        """Throws idle connections away when the server behind them cannot serve any more.

        Without a pause in between: someone could take a connection that is half closed.
        """
        if is_dead_connection(error):
            for connection in tuple(self._idle):
                await connection.disconnect(nowait=True)
