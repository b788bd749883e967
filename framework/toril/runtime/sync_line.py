"""A blocking line to Redis: a connection that one thread at a time sends on and reads from.

redis-py opens it (address, TLS, password, database) and hands it over. Its own way of sending and
reading costs as much as all else that an `add` does in Python.
"""

from __future__ import annotations

import time
from typing import Any

from redis import Redis, exceptions

from toril.runtime.connection import REDIS_ERRORS
from toril.runtime.resp import ReplyReader

#: A connection that was idle for longer is looked at: has the server closed it meanwhile?
_FRESH_S = 1.0
_PIECE_BYTES = 64 * 1024


class SyncLine:
    """Sends commands and waits for the replies; after an error it connects anew."""

    def __init__(self, redis: Redis) -> None:
        self._connection: Any = redis.connection_pool.get_connection()
        self._idle_since_s = time.monotonic()

    def exchange(self, packed: bytes, count: int) -> list[Any]:
        """Sends so many packed commands; gives their replies, errors among them.

        Raises redis-py's ConnectionError or TimeoutError, or OSError, if any reply did not come.
        """
        if time.monotonic() - self._idle_since_s > _FRESH_S and self._is_stale():
            self.close()
        try:
            replies = self._exchange(packed, count)
        except BaseException:
            # A reply that comes later would be taken for the next command's.
            self.close()
            raise
        self._idle_since_s = time.monotonic()
        return replies

    def close(self) -> None:
        """Closes the connection; the next exchange opens another."""
        self._connection.disconnect()

    def _exchange(self, packed: bytes, count: int) -> list[Any]:
        if self._connection._sock is None:
            self._connection.connect()
        socket = self._connection._sock
        reader = ReplyReader()
        replies: list[Any] = []
        try:
            socket.sendall(packed)
            while len(replies) < count:
                data = socket.recv(_PIECE_BYTES)
                if not data:
                    raise exceptions.ConnectionError("the connection was closed")
                replies += reader.feed(data)
        except TimeoutError as error:
            timeout_s = self._connection.socket_timeout
            raise exceptions.TimeoutError(f"no reply within {timeout_s:g} s") from error
        return replies

    def _is_stale(self) -> bool:
        try:
            return bool(self._connection.can_read(timeout=0))
        except REDIS_ERRORS:
            return True
