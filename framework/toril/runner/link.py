"""The runner's link to Redis: where it is, whether it answers, how its clock differs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar, cast

from toril.clock import SystemClock
from toril.declarations.pipeline import Pipeline
from toril.errors import EmbeddedServerError, RedisUnavailable
from toril.plugins.secrets import is_secret
from toril.runtime.call import Call
from toril.runtime.connection import (
    check_server,
    connect,
    hide_password,
    is_temporary,
    measure_offset_ms,
)
from toril.runtime.embedded import EmbeddedHandle, open_embedded
from toril.runtime.sender import AsyncSender
from toril.runtime.worker.reconnect import Outage, Pauses
from toril.runtime.worker.threads import Threads

T = TypeVar("T")
OnEvent = Callable[[str, Mapping[str, Any]], None]

#: A server that was started together with us may still be on its way.
_PATIENCE_S = 2.0
#: Reading an append-only file takes as long as it takes.
_LOADING_PATIENCE_S = 3_600.0
#: How often it is asked whether it is there; our own server is started again, so more often.
_BEAT_S = 5.0
_EMBEDDED_BEAT_S = 0.5
_MEASURE_EVERY_S = 60.0
#: Clocks further apart than this are worth a warning.
_SKEW_MS = 1_000

_PING: Call[Any] = Call(None, (), ("PING",), lambda reply: reply)


class RedisLink:
    """One connection and the embedded server, if that is what the pipeline uses; kept alive."""

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        resolve_secret: Callable[[str], str],
        clock: SystemClock,
        on_event: OnEvent,
        on_offset: Callable[[int], None],
    ) -> None:
        self._pipeline = pipeline
        self._resolve_secret = resolve_secret
        self._clock = clock
        self._on_event = on_event
        self._on_offset = on_offset
        # Daemons: a server that does not answer must not keep this process.
        self._threads = Threads("toril-embedded")
        #: What is said while Redis is away, whoever notices.
        self.outage = Outage(clock, on_event)
        self._embedded: EmbeddedHandle | None = None
        self._sender: AsyncSender | None = None
        self._looked_at = asyncio.Event()
        #: Where Redis is, secrets resolved.
        self.url = ""

    @property
    def sender(self) -> AsyncSender:
        """Sends the supervisor's own calls."""
        if self._sender is None:
            raise RedisUnavailable("the link to Redis is not open")
        return self._sender

    @property
    def address(self) -> str:
        """Where Redis is, as it may be shown."""
        return "the embedded server" if self._embedded else hide_password(self.url)

    async def open(self) -> None:
        """Connects; raises RedisUnavailable or EmbeddedServerError if there is nothing to use."""
        settings = self._pipeline.redis
        if settings.url == "embedded":
            self._embedded = await self._in_thread(
                partial(open_embedded, self._pipeline.root, fsync=settings.fsync, wait_loaded=False)
            )
            self.url = self._embedded.url
        else:
            self.url = _resolve(settings.url, self._resolve_secret)
        redis = connect(self.url, name="toril")
        self._sender = AsyncSender(redis)
        await check_server(redis, within_s=_LOADING_PATIENCE_S if self._embedded else _PATIENCE_S)
        await self._measure()

    async def watch(self) -> None:
        """Asks again and again whether Redis is there, and has the embedded server running."""
        measured = self._clock.monotonic()
        pauses = Pauses()
        while True:
            try:
                await self.sender.send(_PING)
                if self._clock.monotonic() - measured >= _MEASURE_EVERY_S:
                    measured = self._clock.monotonic()
                    await self._measure()
            except RedisUnavailable as error:
                await self._recover(error)
                pause_s = pauses.next_s()
            else:
                self.outage.over()
                pauses.reset()
                pause_s = _EMBEDDED_BEAT_S if self._embedded else _BEAT_S
            await self._sleep(pause_s)

    def look(self) -> None:
        """Has `watch` look now: someone else could not reach Redis."""
        self._looked_at.set()

    def failed(self, error: BaseException, *, during: str) -> None:
        """Notes that a call failed because Redis is away; said once a second at most."""
        self.outage.failed(error, during=during)
        self.look()

    async def close(self) -> None:
        """Disconnects, and stops the embedded server if nobody else uses it; may come twice."""
        sender, self._sender = self._sender, None
        embedded, self._embedded = self._embedded, None
        if sender is not None:
            await sender.redis.aclose()
        if embedded is not None:
            await self._in_thread(embedded.close)
        self._threads.close()

    async def _recover(self, error: RedisUnavailable) -> None:
        if not is_temporary(error):
            # It is there and will not serve us: said, and tried again, in case someone mends it.
            self.outage.failed(error, during="asking for it")
            return
        if self._embedded is None:
            self.outage.failed(error, during="asking for it")
            return
        pid = self._embedded.pid
        try:
            await self._in_thread(self._embedded.ensure_running)
        except EmbeddedServerError as wrong:
            self.outage.failed(wrong, during="starting the embedded server")
            return
        self.outage.failed(error, during="asking for it")
        if self._embedded.pid != pid:
            self._on_event("server_restarted", {"pid": self._embedded.pid})

    async def _measure(self) -> None:
        before_ms = self._clock.offset_ms
        self._clock.offset_ms = await measure_offset_ms(self.sender)
        self._on_offset(self._clock.offset_ms)
        was_skewed, is_skewed = abs(before_ms) > _SKEW_MS, abs(self._clock.offset_ms) > _SKEW_MS
        if is_skewed and not was_skewed:
            self._on_event("clock_skewed", {"offset_ms": self._clock.offset_ms})

    async def _in_thread(self, function: Callable[[], T]) -> T:
        is_ok, value = await self._threads.run(function)
        if not is_ok:
            raise value
        return cast("T", value)

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._looked_at.wait()
        except TimeoutError:
            return
        self._looked_at.clear()
        # Whoever saw it away may see that a hundred times a second.
        await asyncio.sleep(min(seconds, 0.05))


def _resolve(url: str, resolve_secret: Callable[[str], str]) -> str:
    return resolve_secret(url) if is_secret(url) else url
