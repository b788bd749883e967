"""A line to Redis: one connection that any number of calls share, each answered in its turn.

redis-py opens it (address, TLS, password, database) and hands it over. Its own way of sending, a
connection for each call that is under way and a dozen coroutines on the way there and back, costs
three times the round trip that it makes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, cast

import msgspec
from redis import exceptions
from redis.asyncio import Redis

from toril.runtime.resp import ReplyReader


class _Awaited(msgspec.Struct, eq=False):
    """What was written in one go, and the replies that came to it so far."""

    count: int
    future: asyncio.Future[list[Any]]
    sent_at: float
    replies: list[Any] = []


class Line(asyncio.Protocol):
    """Sends commands at once and gives the replies in order.

    A call that is cancelled leaves the line as it is: its reply is passed over.
    """

    def __init__(self, redis: Redis, connection: Any) -> None:
        self._pool: Any = redis.connection_pool
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._transport = cast("asyncio.Transport", connection._writer.transport)
        #: It answers those who wait for redis-py's connection to close.
        self._opener: Any = self._transport.get_protocol()
        self._reply_timeout_s: float | None = connection.socket_timeout
        self._reader = ReplyReader()
        self._awaited: deque[_Awaited] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._is_retired = False
        self._reason: Exception | None = None
        self._transport.set_protocol(self)

    @classmethod
    async def open(cls, redis: Redis) -> Line:
        """Opens a line to where a client connects; closing the client closes it.

        Without a reply timeout, if the client has none: for commands that wait at the server.
        """
        pool: Any = redis.connection_pool
        return cls(redis, await pool.get_connection())

    @property
    def is_open(self) -> bool:
        """Whether more can be sent."""
        return not (self._is_retired or self._transport.is_closing())

    def send(self, packed: bytes, count: int = 1) -> asyncio.Future[list[Any]]:
        """Writes so many packed commands; the future gives their replies, errors among them.

        It raises redis-py's ConnectionError or TimeoutError if any reply did not come.
        """
        awaited = _Awaited(count, self._loop.create_future(), self._loop.time())
        if self._transport.is_closing():
            awaited.future.set_exception(exceptions.ConnectionError("the connection was closed"))
            return awaited.future
        self._awaited.append(awaited)
        self._transport.write(packed)
        if self._timer is None and self._reply_timeout_s is not None:
            self._timer = self._loop.call_later(self._reply_timeout_s, self._check_replies)
        return awaited.future

    def retire(self) -> None:
        """Takes no more calls, and closes once those that are under way are answered."""
        self._is_retired = True
        self._close_if_done()

    def close(self) -> None:
        """Closes at once, whatever is under way; may come twice."""
        self._is_retired = True
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Hands out replies."""
        for reply in self._reader.feed(data):
            if not self._awaited:
                self._lose(exceptions.ConnectionError(f"a reply to nothing: {reply!r}"))
                return
            awaited = self._awaited[0]
            awaited.replies.append(reply)
            if len(awaited.replies) == awaited.count:
                self._awaited.popleft()
                if not awaited.future.done():
                    awaited.future.set_result(awaited.replies)
        self._close_if_done()

    def connection_lost(self, error: Exception | None) -> None:
        """Tells all that wait."""
        self._opener.connection_lost(error)
        # redis-py would count it, and warn of a connection that nobody closed.
        self._connection._close()
        self._pool._in_use_connections.discard(self._connection)
        if self._timer is not None:
            self._timer.cancel()
        text = str(error) if error else "the connection was closed"
        reason = self._reason or exceptions.ConnectionError(text)
        awaited, self._awaited = self._awaited, deque()
        for each in awaited:
            if not each.future.done():
                each.future.set_exception(reason)

    def _close_if_done(self) -> None:
        if self._is_retired and not self._awaited:
            self._transport.close()

    def _check_replies(self) -> None:
        self._timer = None
        if not self._awaited:
            return
        assert self._reply_timeout_s is not None
        left_s = self._awaited[0].sent_at + self._reply_timeout_s - self._loop.time()
        if left_s > 0:
            self._timer = self._loop.call_later(left_s, self._check_replies)
        else:
            self._lose(exceptions.TimeoutError(f"no reply within {self._reply_timeout_s:g} s"))

    def _lose(self, reason: Exception) -> None:
        self._reason = reason
        self._transport.abort()
