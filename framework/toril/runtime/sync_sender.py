"""Sends calls through redis-py, blocking: for the sync client, the CLI and threads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Literal, TypeVar, overload

from redis import Redis
from redis.exceptions import NoScriptError

from toril.runtime.call import Call, parse_reply
from toril.runtime.connection import REDIS_ERRORS, is_dead_connection, translate_error
from toril.runtime.resp import shape_reply
from toril.runtime.scripts import pack_call, pack_loading_call
from toril.runtime.sync_line import SyncLine

T = TypeVar("T")


class SyncSender:
    """Sends calls one by one or many in a round trip; never sends one twice that may have run.

    Keeps the lines that it opened, one for each thread that sends at once. Threads may share one.
    """

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._pid = os.getpid()
        self._idle: list[SyncLine] = []

    def send(self, call: Call[T]) -> T:
        """Sends a call and gives its parsed reply.

        Raises RedisRefused if the server did not run it, another RedisUnavailable if it may have.
        """
        [reply] = self._exchange(pack_call(call))
        if isinstance(reply, NoScriptError):
            [reply] = self._exchange(pack_loading_call(call))
        if isinstance(reply, Exception):
            self._drop_dead(reply)
            raise translate_error(reply, self.redis) from reply
        return call.parse(shape_reply(call, reply, self.redis.response_callbacks))

    @overload
    def send_many(
        self, calls: Sequence[Call[T]], *, return_exceptions: Literal[False] = False
    ) -> list[T]: ...

    @overload
    def send_many(
        self, calls: Sequence[Call[T]], *, return_exceptions: Literal[True]
    ) -> list[T | Exception]: ...

    def send_many(
        self, calls: Sequence[Call[T]], *, return_exceptions: bool = False
    ) -> list[T] | list[T | Exception]:
        """Sends calls in one round trip, not as a transaction.

        All replies are read; then the first error is raised, or each stands in its call's place.
        """
        if not calls:
            return []
        replies = self._exchange(b"".join(map(pack_call, calls)), len(calls))
        missing = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if missing:
            loading = b"".join(pack_loading_call(calls[i]) for i in missing)
            again = self._exchange(loading, len(missing))
            for index, reply in zip(missing, again, strict=True):
                replies[index] = reply
        for reply in replies:
            if isinstance(reply, Exception):
                self._drop_dead(reply)
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

    def _exchange(self, packed: bytes, count: int = 1) -> list[Any]:
        """Sends commands in one go; gives their replies, an error in its command's place."""
        try:
            line = self._take()
            try:
                return line.exchange(packed, count)
            finally:
                self._idle.append(line)
        except REDIS_ERRORS as error:
            self._drop_dead(error)
            raise translate_error(error, self.redis) from error

    def _take(self) -> SyncLine:
        if self._pid != os.getpid():
            # After a fork: the connections are the parent's.
            self._pid, self._idle = os.getpid(), []
        try:
            return self._idle.pop()
        except IndexError:
            return SyncLine(self.redis)

    def _drop_dead(self, error: Exception) -> None:
        """Closes idle lines when the server behind them cannot serve any more."""
        if is_dead_connection(error):
            idle, self._idle = self._idle, []
            for line in idle:
                line.close()
            self._idle += idle
