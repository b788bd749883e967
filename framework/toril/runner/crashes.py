"""What becomes of the jobs of a worker process that ended: none is lost, only the poison pays.

One job ran: it ended its process, which is counted against it, and it waits again. Several ran:
they are suspects, stay active and are run again by a process that runs them one at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from toril.clock import Clock
from toril.declarations.queue import Queue
from toril.errors import RedisUnavailable
from toril.runner.exits import Exit
from toril.runner.link import RedisLink
from toril.runtime.call import Call
from toril.runtime.calls.blame import blame
from toril.runtime.calls.claim import Owner
from toril.runtime.calls.locks import adopt, hand_back, recover
from toril.runtime.keys import QueueKeys
from toril.runtime.worker.reconnect import Pauses

OnEvent = Callable[[str, Mapping[str, Any]], None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LeftJob:
    """A job that its worker process left active."""

    queue: str
    id: str


class CrashSettler:
    """Settles the jobs of dead tokens; waits for Redis as long as it takes."""

    def __init__(
        self,
        *,
        link: RedisLink,
        prefix: str,
        queues: Sequence[Queue],
        clock: Clock,
        on_event: OnEvent,
    ) -> None:
        self._link = link
        self._queues = {queue.name: queue for queue in queues}
        self._keys = {name: QueueKeys(prefix, name) for name in self._queues}
        self._clock = clock
        self._on_event = on_event

    async def find_left(self, token: str) -> list[LeftJob]:
        """Finds the jobs that are still active under a token, in all queues."""
        calls = [recover(keys, token, {}) for keys in self._keys.values()]
        answers = await self._send(calls, during="finding what a dead worker ran")
        return [
            LeftJob(queue, job.id)
            for queue, answer in zip(self._keys, answers, strict=True)
            for job in answer.active
        ]

    async def blame(self, token: str, job: LeftJob, exit_: Exit) -> None:
        """Counts the end of a process against the one job that ran in it.

        Over the queue's limit the job is failed, with this reason, by the worker that claims it.
        """
        limit = self._queues[job.queue].stalled_limit
        reason = f"the job ended its worker process ({exit_}) more than {limit} times"
        call = blame(self._keys[job.queue], token, job.id, limit=limit, reason=reason)
        [stalls] = await self._send([call], during="counting a crash")
        if stalls:
            where = {"queue": job.queue, "job": job.id}
            self._on_event("job_blamed", {**where, "exit": str(exit_), "times": stalls})

    async def adopt(self, token: str, *, new_token: str, worker: str) -> None:
        """Makes the jobs of a dead token those of a process that is about to start."""
        calls = [
            adopt(
                keys,
                from_token=token,
                owner=Owner(new_token, self._queues[queue].lock_ms, worker),
                now_ms=self._clock.now_ms(),
            )
            for queue, keys in self._keys.items()
        ]
        await self._send(calls, during="taking over the jobs of a dead worker")

    async def hand_back(self, token: str, worker: str) -> None:
        """Puts all jobs of a token back in front of their lines; nothing is counted."""
        calls = [hand_back(keys, token) for keys in self._keys.values()]
        answers = await self._send(calls, during="handing jobs back")
        for queue, returned in zip(self._keys, answers, strict=True):
            if returned:
                fields = {"queue": queue, "jobs": len(returned), "worker": worker}
                self._on_event("jobs_handed_back", fields)

    async def _send(self, calls: Sequence[Call[T]], *, during: str) -> list[T]:
        pauses = Pauses()
        while True:
            try:
                return await self._link.sender.send_many(calls)
            except RedisUnavailable as error:
                self._link.failed(error, during=during)
                await asyncio.sleep(pauses.next_s())
