"""Sends calls through redis-py, with asyncio."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeVar, overload

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from toril.runtime.call import Call, parse_reply
from toril.runtime.cancellation import heed_cancellation
from toril.runtime.connection import REDIS_ERRORS, is_dead_connection, translate_error
from toril.runtime.scripts import build_command, build_loading_command

T = TypeVar("T")


class AsyncSender:
    """Sends calls one by one or many in a round trip; never sends one twice that may have run."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    async def send(self, call: Call[T]) -> T:
        """Sends a call and gives its parsed reply.

        Raises RedisRefused if the server did not run it, another RedisUnavailable if it may have.
        """
        try:
            reply = await heed_cancellation(self._execute(call))
        except REDIS_ERRORS as error:
            await self._drop_dead(error)
            raise translate_error(error, self.redis) from error
        return call.parse(reply)

    async def _execute(self, call: Call[T]) -> Any:
        try:
            return await self.redis.execute_command(*build_command(call))  # type: ignore[no-untyped-call]
        except NoScriptError:
            return await self.redis.execute_command(*build_loading_command(call))  # type: ignore[no-untyped-call]

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
        replies = await self._execute_many([build_command(call) for call in calls])
        missing = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if missing:
            again = await self._execute_many([build_loading_command(calls[i]) for i in missing])
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

    async def _execute_many(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        pipeline = self.redis.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        try:
            return await heed_cancellation(pipeline.execute(raise_on_error=False))
        except REDIS_ERRORS as error:
            await self._drop_dead(error)
            raise translate_error(error, self.redis) from error

    async def _drop_dead(self, error: Exception) -> None:
        """Throws idle connections away when the server behind them cannot serve any more.

        Without a pause in between: someone could take a connection that is half closed.
        """
        if is_dead_connection(error):
            pool: Any = self.redis.connection_pool
            for connection in tuple(pool._available_connections):
                await connection.disconnect(nowait=True)
