"""Sends calls through redis-py, with asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection, Coroutine, Sequence
from typing import Any, Literal, TypeVar, overload

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from toril.runtime.call import Call, parse_reply
from toril.runtime.cancellation import heed_cancellation
from toril.runtime.connection import REDIS_ERRORS, is_dead_connection, translate_error
from toril.runtime.line import Line
from toril.runtime.resp import shape_reply
from toril.runtime.scripts import build_command, pack_call, pack_loading_call

T = TypeVar("T")


class AsyncSender:
    """Sends calls one by one or many in a round trip; never sends one twice that may have run.

    All share one connection, but for calls that wait at the server: each of those has its own.
    """

    def __init__(self, redis: Redis) -> None:
        #: Opens the connections; closing it closes them.
        self.redis = redis
        self._line: Line | None = None
        #: The scripts that this line, or the next one if there is none, brings to the server.
        self._brought: set[str] = set()
        self._opening: asyncio.Task[Line] | None = None

    def send(self, call: Call[T]) -> Coroutine[Any, Any, T]:
        """Sends a call and gives its parsed reply.

        It is written before anyone waits for the reply, unless a line has to be opened first.
        Raises RedisRefused if the server did not run it, another RedisUnavailable if it may have.
        """
        if call.waits:
            return self._send_waiting(call)
        return self._receive(call, self._write(self._pack(call)))

    async def _send_waiting(self, call: Call[T]) -> T:
        command = build_command(call)
        try:
            reply = await heed_cancellation(self.redis.execute_command(*command))  # type: ignore[no-untyped-call]
        except REDIS_ERRORS as error:
            await self._drop_dead(error)
            raise translate_error(error, self.redis) from error
        return call.parse(reply)

    async def _receive(self, call: Call[T], replies: Awaitable[list[Any]]) -> T:
        try:
            [reply] = await replies
            if isinstance(reply, NoScriptError):
                [reply] = await self._write(pack_loading_call(call))
            if isinstance(reply, Exception):
                raise reply
        except REDIS_ERRORS as error:
            await self._drop_dead(error)
            raise translate_error(error, self.redis) from error
        return call.parse(shape_reply(call, reply, self.redis.response_callbacks))

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
        replies = await self._execute_many([self._pack(call) for call in calls])
        if missing := _list_missing(replies):
            # The first of each script brings it along for the others, which may be many.
            first_of = {calls[i].script: i for i in reversed(missing)}
            first = set(first_of.values())
            await self._execute_again(calls, replies, missing, loading=first)
        if missing := _list_missing(replies):
            await self._execute_again(calls, replies, missing, loading=missing)
        for reply in replies:
            if isinstance(reply, Exception):
                await self._drop_dead(reply)
        results = [
            translate_error(reply, self.redis)
            if isinstance(reply, Exception)
            else parse_reply(call, shape_reply(call, reply, self.redis.response_callbacks))
            for call, reply in zip(calls, replies, strict=True)
        ]
        if not return_exceptions:
            for result in results:
                if isinstance(result, Exception):
                    raise result
        return results

    async def _execute_again(
        self,
        calls: Sequence[Call[Any]],
        replies: list[Any],
        missing: Sequence[int],
        *,
        loading: Collection[int],
    ) -> None:
        """Sends calls again that did not run, some of them with their scripts."""
        again = await self._execute_many(
            [pack_loading_call(calls[i]) if i in loading else pack_call(calls[i]) for i in missing]
        )
        for index, reply in zip(missing, again, strict=True):
            replies[index] = reply

    async def _execute_many(self, packed: list[bytes]) -> list[Any]:
        try:
            return await self._write(b"".join(packed), len(packed))
        except REDIS_ERRORS as error:
            await self._drop_dead(error)
            raise translate_error(error, self.redis) from error

    def _pack(self, call: Call[Any]) -> bytes:
        """Packs a call; a line's first of a script brings it along.

        A call that the server does not know is sent again, by then behind those that came after it.
        """
        if self._line is not None and not self._line.is_open:
            self._line = None
            self._brought.clear()
        if call.script is None or call.script in self._brought:
            return pack_call(call)
        self._brought.add(call.script)
        return pack_loading_call(call)

    def _write(self, packed: bytes, count: int = 1) -> Awaitable[list[Any]]:
        line = self._line
        if line is None or not line.is_open:
            return self._write_when_open(packed, count)
        return line.send(packed, count)

    async def _write_when_open(self, packed: bytes, count: int) -> list[Any]:
        return await (await self._open_line()).send(packed, count)

    async def _open_line(self) -> Line:
        """Opens a line in place of the one that was lost; all who ask meanwhile get the same."""
        if self._opening is None:
            self._opening = asyncio.create_task(self._replace_line())
            self._opening.add_done_callback(self._note_opened)
        return await asyncio.shield(self._opening)

    async def _replace_line(self) -> Line:
        self._line = await Line.open(self.redis)
        return self._line

    def _note_opened(self, opening: asyncio.Task[Line]) -> None:
        self._opening = None
        # Whoever waited for it was told; they may all be gone.
        if opening.cancelled() or opening.exception() is not None:
            self._brought.clear()

    async def _drop_dead(self, error: Exception) -> None:
        """Throws connections away when the server behind them cannot serve any more.

        Without a pause in between: someone could take a connection that is half closed.
        """
        if is_dead_connection(error):
            if self._line is not None:
                self._line.retire()
            pool: Any = self.redis.connection_pool
            for connection in tuple(pool._available_connections):
                await connection.disconnect(nowait=True)


def _list_missing(replies: Sequence[Any]) -> list[int]:
    """Gives the places of calls whose script the server does not know."""
    return [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
