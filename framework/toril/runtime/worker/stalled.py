"""Gives back active jobs whose lock ran out, whoever had them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from toril.clock import Clock
from toril.declarations.queue import Queue
from toril.runtime.calls.locks import Swept, sweep_stalled
from toril.runtime.keys import QueueKeys
from toril.runtime.sender import AsyncSender
from toril.runtime.worker.reconnect import Outage

#: After a sweep that failed the next one is tried this much sooner.
_RETRY_SOONER = 4


class StalledSweep:
    """Sweeps each queue at the start and every `stalled.every`; any number of them may run."""

    def __init__(
        self,
        sender: AsyncSender,
        clock: Clock,
        queues: Sequence[Queue],
        *,
        prefix: str,
        on_swept: Callable[[str, Swept], None],
        outage: Outage,
    ) -> None:
        self._sender = sender
        self._clock = clock
        self._queues = [(queue, QueueKeys(prefix, queue.name)) for queue in queues]
        self._due = {queue.name: clock.monotonic() for queue in queues}
        self._on_swept = on_swept
        self._outage = outage

    async def run(self) -> None:
        """Sweeps until cancelled."""
        while self._due:
            wait_s = min(self._due.values()) - self._clock.monotonic()
            if wait_s > 0:
                await self._clock.sleep(wait_s)
            now = self._clock.monotonic()
            await self._sweep([each for each in self._queues if self._due[each[0].name] <= now])

    async def _sweep(self, due: Sequence[tuple[Queue, QueueKeys]]) -> None:
        now, now_ms = self._clock.monotonic(), self._clock.now_ms()
        calls = []
        for queue, keys in due:
            every_ms = queue.stalled_every_ms
            self._due[queue.name] = now + every_ms / 1000
            calls.append(
                sweep_stalled(keys, now_ms=now_ms, every_ms=every_ms, limit=queue.stalled_limit)
            )
        try:
            replies = await self._sender.send_many(calls, return_exceptions=True)
        except Exception as error:  # noqa: BLE001 - tried again soon, whatever it is
            replies = [error] * len(calls)
        for (queue, _), reply in zip(due, replies, strict=True):
            if isinstance(reply, Exception):
                self._outage.failed(reply, during="looking for stalled jobs")
                retry_s = queue.stalled_every_ms / 1000 / _RETRY_SOONER
                self._due[queue.name] = self._clock.monotonic() + retry_s
            else:
                self._on_swept(queue.name, reply)
