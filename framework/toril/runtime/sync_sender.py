"""Sends calls through redis-py, blocking: for the sync client, the CLI and threads."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any, Literal, TypeVar, overload

from redis import Redis
from redis.exceptions import NoScriptError, ResponseError

from toril.runtime.call import Call, parse_reply
from toril.runtime.connection import REDIS_ERRORS, is_dead_connection, translate_error
from toril.runtime.resp import pack_command
from toril.runtime.scripts import build_command, build_loading_command

T = TypeVar("T")


#: A connection that was idle for longer is looked at: has the server closed it meanwhile?
_FRESH_S = 1.0


class SyncSender:
    """Sends calls one by one or many in a round trip; never sends one twice that may have run.

    Takes connections out of redis-py's pool and keeps them: what the pool and `execute_command` do
    for each command (locks, retries, metrics) takes longer than all else. Threads may share one.
    """

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._pid = os.getpid()
        #: Connections, and since when each is idle.
        self._idle: list[tuple[Any, float]] = []

    def send(self, call: Call[T]) -> T:
        """Sends a call and gives its parsed reply.

        Raises RedisRefused if the server did not run it, another RedisUnavailable if it may have.
        """
        (reply,) = self._exchange([build_command(call)])
        if isinstance(reply, NoScriptError):
            (reply,) = self._exchange([build_loading_command(call)])
        if isinstance(reply, Exception):
            self._drop_dead(reply)
            raise translate_error(reply, self.redis) from reply
        return call.parse(reply)

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
        replies = self._exchange([build_command(call) for call in calls])
        missing = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if missing:
            again = self._exchange([build_loading_command(calls[i]) for i in missing])
            for index, reply in zip(missing, again, strict=True):
                replies[index] = reply
        for reply in replies:
            if isinstance(reply, Exception):
                self._drop_dead(reply)
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

    def _exchange(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        """Sends commands in one go; gives their replies, an error in its command's place."""
        try:
            return self._exchange_on(self._take(), commands)
        except REDIS_ERRORS as error:
            self._drop_dead(error)
            raise translate_error(error, self.redis) from error

    def _take(self) -> Any:
        if self._pid != os.getpid():
            # After a fork: the connections are the parent's.
            self._pid, self._idle = os.getpid(), []
        try:
            connection, since_s = self._idle.pop()
        except IndexError:
            return self.redis.connection_pool.get_connection()
        if time.monotonic() - since_s > _FRESH_S and _is_stale(connection):
            connection.disconnect()
        return connection

    def _exchange_on(self, connection: Any, commands: list[tuple[Any, ...]]) -> list[Any]:
        try:
            written = [b"".join(map(pack_command, commands))]
            connection.send_packed_command(written, check_health=False)
            return [self._read_reply(connection, command[0]) for command in commands]
        except BaseException:
            # A reply that comes later would be taken for the next command's.
            connection.disconnect()
            raise
        finally:
            self._idle.append((connection, time.monotonic()))

    def _read_reply(self, connection: Any, command: str) -> Any:
        try:
            return self.redis.parse_response(connection, command)  # type: ignore[no-untyped-call]
        except ResponseError as error:
            return error

    def _drop_dead(self, error: Exception) -> None:
        """Throws idle connections away when the server behind them cannot serve any more."""
        if is_dead_connection(error):
            idle, self._idle = self._idle, []
            for connection, _since_s in idle:
                connection.disconnect()
            self._idle += idle


def _is_stale(connection: Any) -> bool:
    try:
        return bool(connection.can_read(timeout=0))
    except REDIS_ERRORS:
        return True
