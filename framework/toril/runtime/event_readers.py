"""Reading a queue's events in order, from an id on; through lost connections and trimming.

A reader asks Redis for what follows the last event it gave, and Redis answers once there is some:
nothing is polled. Whoever keeps `after` can go on there in another process. Redis keeps some 10000
events of a queue; those that were trimmed before they were read are passed over.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterator
from typing import Protocol, TypeVar

from toril.declarations.spans import Span, read_timeout_s
from toril.errors import RedisUnavailable
from toril.runtime.call import Call
from toril.runtime.calls.events import START, Event, read_events, read_last_event_id
from toril.runtime.connection import is_temporary
from toril.runtime.keys import QueueKeys

T = TypeVar("T")

#: One wait at the server; well below a connection's reply timeout.
BLOCK_S = 5.0
#: While Redis is away.
PAUSE_S = 0.25


class CanSend(Protocol):
    """A sender, or a client."""

    async def send(self, call: Call[T]) -> T: ...


class CanSendSync(Protocol):
    """A sender, or a client, that blocks."""

    def send(self, call: Call[T]) -> T: ...


class EventReader:
    """Reads a queue's events; `async for event in reader` goes on for ever.

    `after` is the id of the event to go on after, `0-0` for all that are kept; None: from now on,
    that is from `open` or the first read.
    """

    def __init__(self, sender: CanSend, keys: QueueKeys, *, after: str | None = None) -> None:
        self._sender = sender
        self._keys = keys
        #: The last event that was given out, or where reading starts.
        self.after = after

    async def open(self) -> None:
        """Notes where the stream ends now, unless an id was given."""
        if self.after is None:
            self.after = await self._sender.send(read_last_event_id(self._keys))

    async def read(self, timeout: Span | None = None) -> list[Event]:
        """Gives the next events: at least one, unless none comes in time.

        Without a timeout it waits for as long as it takes. Raises RedisMisconfigured if Redis does
        not let it read, ValueError for a timeout that is none.
        """
        timeout_s = read_timeout_s(timeout)
        deadline = math.inf if timeout_s is None else time.monotonic() + timeout_s
        while True:
            events = await self.read_once(deadline - time.monotonic())
            if events or time.monotonic() >= deadline:
                return events

    async def read_once(self, timeout_s: float = BLOCK_S) -> list[Event]:
        """Gives what comes within one wait, of 5 s at most; nothing as soon as Redis is away."""
        events = await self._fetch(timeout_s)
        if events:
            self.after = events[-1].id
        return events

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            for event in await self._fetch(BLOCK_S):
                self.after = event.id
                yield event

    async def _fetch(self, timeout_s: float) -> list[Event]:
        await self.open()
        try:
            return await self._sender.send(_read_after(self._keys, self.after, timeout_s))
        except RedisUnavailable as error:
            if not is_temporary(error):
                raise
            await asyncio.sleep(_pause_s(timeout_s))
            return []


class SyncEventReader:
    """Reads a queue's events, blocking; otherwise as `EventReader`."""

    def __init__(self, sender: CanSendSync, keys: QueueKeys, *, after: str | None = None) -> None:
        self._sender = sender
        self._keys = keys
        #: The last event that was given out, or where reading starts.
        self.after = after

    def open(self) -> None:
        """Notes where the stream ends now, unless an id was given."""
        if self.after is None:
            self.after = self._sender.send(read_last_event_id(self._keys))

    def read(self, timeout: Span | None = None) -> list[Event]:
        """Gives the next events; see `EventReader.read`."""
        timeout_s = read_timeout_s(timeout)
        deadline = math.inf if timeout_s is None else time.monotonic() + timeout_s
        while True:
            events = self.read_once(deadline - time.monotonic())
            if events or time.monotonic() >= deadline:
                return events

    def read_once(self, timeout_s: float = BLOCK_S) -> list[Event]:
        """Gives what comes within one wait; see `EventReader.read_once`."""
        events = self._fetch(timeout_s)
        if events:
            self.after = events[-1].id
        return events

    def __iter__(self) -> Iterator[Event]:
        while True:
            for event in self._fetch(BLOCK_S):
                self.after = event.id
                yield event

    def _fetch(self, timeout_s: float) -> list[Event]:
        self.open()
        try:
            return self._sender.send(_read_after(self._keys, self.after, timeout_s))
        except RedisUnavailable as error:
            if not is_temporary(error):
                raise
            time.sleep(_pause_s(timeout_s))
            return []


def _read_after(keys: QueueKeys, after: str | None, timeout_s: float) -> Call[list[Event]]:
    return read_events(keys, after or START, block_ms=math.ceil(min(timeout_s, BLOCK_S) * 1000))


def _pause_s(timeout_s: float) -> float:
    return min(PAUSE_S, max(timeout_s, 0))
