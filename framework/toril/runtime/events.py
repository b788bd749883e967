"""Waiting for jobs to finish by their queue's events, without asking again and again.

Who waits first notes where the stream ends, then asks for the job's state, and only then waits for
its event: so no end is missed. Now and then the state is asked again, in case events were trimmed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from toril.declarations.units import format_duration
from toril.errors import JobNotFound, RedisUnavailable, WaitTimeout
from toril.runtime.calls.events import Event, find_ending, read_events, read_last_event_id
from toril.runtime.calls.jobs import Ending, read_state
from toril.runtime.connection import is_temporary
from toril.runtime.event_readers import BLOCK_S, PAUSE_S, EventReader
from toril.runtime.keys import QueueKeys
from toril.runtime.sender import AsyncSender
from toril.runtime.states import FINISHED
from toril.runtime.sync_sender import SyncSender


class FinishWaits:
    """Waits for any number of jobs, with one connection per queue that has some.

    Close it in the end; it may be used again after that.
    """

    def __init__(self, sender: AsyncSender) -> None:
        self._sender = sender
        self._listeners: dict[str, _Listener] = {}

    async def wait(self, keys: QueueKeys, job_id: str, timeout_s: float | None = None) -> Ending:
        """Gives how a job ended, once it has; also when it is not kept.

        Raises JobNotFound if there is no such job, or it is removed; WaitTimeout.
        """
        listener = self._listeners.get(keys.base)
        if listener is None or listener.is_over:
            listener = self._listeners[keys.base] = _Listener(self._sender, keys)
        future = listener.expect(job_id)
        try:
            async with asyncio.timeout(timeout_s):
                await listener.listening()
                ending = await _read_ending(self._sender, keys, job_id)
                return ending or await future
        except TimeoutError as error:
            raise _late(keys, job_id, timeout_s or 0) from error
        finally:
            listener.forget(job_id, future)

    async def close(self) -> None:
        """Ends all connections; who still waits gets RedisUnavailable."""
        listeners, self._listeners = self._listeners, {}
        for listener in listeners.values():
            await listener.close()


async def wait_until_finished(
    sender: AsyncSender, keys: QueueKeys, job_id: str, timeout_s: float | None = None
) -> Ending:
    """Waits for one job; see `FinishWaits.wait`."""
    waits = FinishWaits(sender)
    try:
        return await waits.wait(keys, job_id, timeout_s)
    finally:
        await waits.close()


def wait_until_finished_sync(
    sender: SyncSender, keys: QueueKeys, job_id: str, timeout_s: float | None = None
) -> Ending:
    """Waits for one job, blocking; see `FinishWaits.wait`."""
    deadline = float("inf") if timeout_s is None else time.monotonic() + timeout_s
    after = sender.send(read_last_event_id(keys))
    ending, asked = _read_ending_sync(sender, keys, job_id), time.monotonic()
    while ending is None:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise _late(keys, job_id, timeout_s or 0)
        block_ms = int(min(left_s, BLOCK_S) * 1000)
        try:
            events = sender.send(read_events(keys, after, block_ms=block_ms))
            ending = _find_ending(events, keys, job_id)
            if events:
                after = events[-1].id
            if ending is None and (not events or time.monotonic() - asked >= BLOCK_S):
                ending, asked = _read_ending_sync(sender, keys, job_id), time.monotonic()
        except RedisUnavailable as error:
            if not is_temporary(error):
                raise
            time.sleep(min(PAUSE_S, max(left_s, 0)))
    return ending


class _Listener:
    """Follows one queue's events for those who wait for its jobs; ends when nobody does."""

    def __init__(self, sender: AsyncSender, keys: QueueKeys) -> None:
        self._sender = sender
        self._keys = keys
        self._reader = EventReader(sender, keys)
        self._waiting: dict[str, set[asyncio.Future[Ending]]] = {}
        self._is_listening: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run())

    @property
    def is_over(self) -> bool:
        return self._task.done()

    def expect(self, job_id: str) -> asyncio.Future[Ending]:
        future: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(job_id, set()).add(future)
        return future

    def forget(self, job_id: str, future: asyncio.Future[Ending]) -> None:
        waiting = self._waiting.get(job_id, set())
        waiting.discard(future)
        if not waiting:
            self._waiting.pop(job_id, None)
        if future.done() and not future.cancelled():
            # Nobody awaited it if the state was known first.
            future.exception()

    async def listening(self) -> None:
        """Returns once no later event can be missed; raises what kept it from listening."""
        await asyncio.shield(self._is_listening)

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        self._fail(RedisUnavailable("the client was closed while it waited for jobs"))

    async def _run(self) -> None:
        try:
            await self._reader.open()
            self._is_listening.set_result(None)
            asked = time.monotonic()
            while self._waiting:
                events = await self._reader.read_once()
                self._hear(events)
                if not events or time.monotonic() - asked >= BLOCK_S:
                    asked = time.monotonic()
                    await self._ask()
        except Exception as error:  # noqa: BLE001 - handed to all who wait
            self._fail(error)

    def _hear(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.job_id not in self._waiting:
                continue
            ending = event.ending
            if ending is not None:
                self._resolve(event.job_id, ending)
            elif event.name == "removed":
                self._resolve(event.job_id, _removed(self._keys, event.job_id))

    async def _ask(self) -> None:
        """Asks for the states of all awaited jobs, in case an event was trimmed before it came."""
        for job_id in list(self._waiting):
            try:
                ending = await _read_ending(self._sender, self._keys, job_id)
            except JobNotFound as error:
                self._resolve(job_id, error)
            except RedisUnavailable as error:
                if not is_temporary(error):
                    raise
                return
            else:
                if ending is not None:
                    self._resolve(job_id, ending)

    def _resolve(self, job_id: str, ending: Ending | Exception) -> None:
        for future in self._waiting.pop(job_id, set()):
            if future.done():
                continue
            if isinstance(ending, Exception):
                future.set_exception(ending)
            else:
                future.set_result(ending)

    def _fail(self, error: Exception) -> None:
        if not self._is_listening.done():
            self._is_listening.set_exception(error)
            self._is_listening.exception()
        for job_id in list(self._waiting):
            self._resolve(job_id, error)


async def _read_ending(sender: AsyncSender, keys: QueueKeys, job_id: str) -> Ending | None:
    """Gives how a job ended; None if it has not; raises JobNotFound if there is none."""
    try:
        ending = await sender.send(read_state(keys, job_id))
    except JobNotFound:
        heard = await sender.send(find_ending(keys, job_id))
        if heard is None:
            raise
        return heard
    return ending if ending.state in FINISHED else None


def _read_ending_sync(sender: SyncSender, keys: QueueKeys, job_id: str) -> Ending | None:
    try:
        ending = sender.send(read_state(keys, job_id))
    except JobNotFound:
        heard = sender.send(find_ending(keys, job_id))
        if heard is None:
            raise
        return heard
    return ending if ending.state in FINISHED else None


def _find_ending(events: Sequence[Event], keys: QueueKeys, job_id: str) -> Ending | None:
    for event in events:
        if event.job_id == job_id:
            if event.ending is not None:
                return event.ending
            if event.name == "removed":
                raise _removed(keys, job_id)
    return None


def _removed(keys: QueueKeys, job_id: str) -> JobNotFound:
    return JobNotFound(f"job {job_id!r} of queue {keys.queue!r} was removed before it finished")


def _late(keys: QueueKeys, job_id: str, timeout_s: float) -> WaitTimeout:
    waited = format_duration(round(timeout_s * 1000))
    return WaitTimeout(f"job {job_id!r} of queue {keys.queue!r} has not finished within {waited}")
