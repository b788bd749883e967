"""Waits for new jobs: one blocking connection for the markers of all queues with free slots."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from toril.clock import Clock
from toril.errors import RedisUnavailable
from toril.runtime.call import Arg, Call
from toril.runtime.calls.queues import find_work
from toril.runtime.calls.settle import SettledAndClaimed
from toril.runtime.chunks import cut_queues
from toril.runtime.codec import to_integer
from toril.runtime.connection import REDIS_ERRORS, translate_error
from toril.runtime.line import Line
from toril.runtime.resp import pack_command
from toril.runtime.scripts import pack_call, pack_loading_call
from toril.runtime.sender import AsyncSender
from toril.runtime.worker.reconnect import Outage, Pauses
from toril.runtime.worker.rounds import Rounds
from toril.runtime.worker.served_queue import ServedQueue

#: The server answers after so long even if nothing came. As often all queues are looked at, in case
#: a marker was lost (BullMQ's drainDelay); other queues' markers do not put that off.
BLOCK_S = 5.0
#: Less than this left of it is not worth a block; 0 would be one without end.
_SHORTEST_BLOCK_S = 0.01
#: A server that is later than that has been lost, and the connection is thrown away.
LATE_S = 3.0
#: The connection has no reply timeout of its own, not even for its handshake.
CONNECT_WITHIN_S = 5.0
_ON_ITS_WAY_S = 0.002
#: A claim for a popped marker is answered sooner, unless it cannot be sent now.
_CLAIM_WITHIN_S = 0.05

#: The members of a marker: work is there; a delayed job is due at the score.
_READY = b"0"


class MarkerWait:
    """Pops markers and has their queues claimed for: by a claim that stands behind the block, so
    that the job comes with its marker, or by a round, for which the queue is made hungry.

    A popped marker wakes nobody else, so it is put back when there is no slot left for its job.
    """

    def __init__(
        self,
        *,
        connect: Callable[[], Redis],
        sender: AsyncSender,
        queues: Sequence[ServedQueue],
        rounds: Rounds,
        clock: Clock,
        outage: Outage,
    ) -> None:
        self._connect = connect
        self._sender = sender
        self._rounds = rounds
        self._queues = {queue.keys.marker.encode(): queue for queue in queues}
        self._by_name = {queue.name: queue for queue in queues}
        self._clock = clock
        self._outage = outage
        self._changed = asyncio.Event()
        #: Rounds that were played, and markers popped since the last one: they are claimed for.
        self._claimed = asyncio.Event()
        self._client: Redis | None = None
        self._line: Line | None = None
        self._connection_id = 0
        self._blocked_on: frozenset[bytes] = frozenset()
        #: Whether a claim stands behind this block, or stood behind the last one.
        self._has_claimed = False
        self._has_brought_script = False
        #: Markers that were popped here to be claimed for, now or long ago.
        self._popped: set[bytes] = set()
        #: When all queues are asked next, in the loop's time.
        self._ask_at = 0.0
        self._unblocking: asyncio.Task[None] | None = None
        self._is_closing = False

    async def run(self) -> None:
        """Waits and wakes until closed or cancelled."""
        pauses = Pauses()
        self._ask_at = asyncio.get_running_loop().time() + BLOCK_S
        try:
            while not self._is_closing:
                try:
                    await self._wait_once()
                    pauses.reset()
                except (*REDIS_ERRORS, RedisUnavailable, TimeoutError) as error:
                    await self._recover(error, pauses)
        finally:
            await self._disconnect()
            if self._unblocking is not None:
                await asyncio.wait([self._unblocking])

    def refresh(self) -> None:
        """Looks, after a round, whether the block is still the right one; if not, ends it."""
        self._claimed.set()
        if self._must_unblock():
            self._unblock()
        elif not self._blocked_on and self._wanted():
            self._changed.set()

    def close(self) -> None:
        """Ends the block, so that no marker is popped by a worker that claims no more."""
        self._is_closing = True
        self._changed.set()
        self._claimed.set()
        if self._must_unblock():
            self._unblock()

    async def put_back(self) -> None:
        """Wakes other workers for what was popped here and is not claimed any more."""
        calls = [
            Call(None, (), ("ZADD", marker, 0, _READY), int)
            for marker in self._popped
            if self._queues[marker].is_hungry
        ]
        with suppress(RedisUnavailable):
            await self._sender.send_many(calls, return_exceptions=True)

    async def _wait_once(self) -> None:
        async with asyncio.timeout(CONNECT_WITHIN_S):
            await self._ensure_connected()
        # From here to the block nothing waits, so that no change of what is wanted is missed.
        wanted = self._wanted()
        if not wanted:
            self._changed.clear()
            await self._changed.wait()
            return
        left_s = self._ask_at - asyncio.get_running_loop().time()
        popped = await self._block(wanted, max(left_s, _SHORTEST_BLOCK_S))
        if popped is not None:
            await self._take(*popped)
        if self._has_claimed:
            await self._let_settle()
        if asyncio.get_running_loop().time() >= self._ask_at - _SHORTEST_BLOCK_S:
            await self._look_at_all()

    async def _block(
        self, wanted: list[bytes], block_s: float
    ) -> tuple[bytes, bytes, bytes] | None:
        commands = [pack_command(("BZPOPMIN", *wanted, block_s))]
        self._has_claimed = self._rounds.may_stand
        if self._has_claimed:
            claim = self._rounds.stand([self._queues[marker] for marker in wanted])
            commands.append((pack_call if self._has_brought_script else pack_loading_call)(claim))
        try:
            popped, *claimed = await self._send_block(commands, frozenset(wanted), block_s)
        except Exception as error:
            if self._has_claimed:
                self._rounds.end_standing(error)
            raise
        for reply in claimed:
            self._end_claim(claim, reply)
            await asyncio.sleep(0)
        if isinstance(popped, Exception):
            raise popped
        return popped  # type: ignore[no-any-return]

    async def _send_block(
        self, commands: list[bytes], markers: frozenset[bytes], block_s: float
    ) -> list[Any]:
        self._blocked_on = markers
        try:
            async with asyncio.timeout(block_s + LATE_S):
                return await self._send(commands)
        finally:
            self._blocked_on = frozenset()

    def _end_claim(self, claim: Call[list[SettledAndClaimed | None]], reply: Any) -> None:
        self._has_brought_script = self._has_claimed = not isinstance(reply, NoScriptError)
        if not self._has_claimed:
            self._rounds.end_standing([None] * len(claim.keys))
        elif isinstance(reply, Exception):
            assert self._client is not None
            self._rounds.end_standing(translate_error(reply, self._client))
        else:
            self._rounds.end_standing(claim.parse(reply))

    async def _look_at_all(self) -> None:
        """Looks for work that no marker tells of; where there is none, nothing is claimed."""
        self._ask_at = asyncio.get_running_loop().time() + BLOCK_S
        parts = cut_queues([queue.keys for queue in self._queues.values()])
        for found in await self._sender.send_many([find_work(part) for part in parts]):
            for name in found.ready:
                self._by_name[name].become_hungry()
            for name, due_ms in found.due_ms.items():
                self._by_name[name].note_due(due_ms)

    async def _take(self, marker: bytes, member: bytes, score: bytes) -> None:
        queue = self._queues[marker]
        due_ms = to_integer(float(score))
        if member != _READY and (self._has_claimed or due_ms > self._clock.now_ms()):
            # A claim that stood ran as the marker was popped: the job may not have been due then.
            queue.note_due(due_ms)
        elif self._has_claimed:
            self._popped.add(marker)
        elif queue.free > 0 and not self._is_closing:
            self._popped.add(marker)
            await self._have_claimed(queue)
        else:
            async with asyncio.timeout(LATE_S):
                await self._command("ZADD", marker, 0, _READY)
            # While this waited a round may have ended that had all slots reserved: without being
            # woken again, nobody would claim the job.
            queue.become_hungry()

    async def _have_claimed(self, queue: ServedQueue) -> None:
        """Lets the claim go first: until it is answered nobody knows whether to wait for more.

        A block before that would be in its way, and would have to be ended for this queue.
        """
        self._claimed.clear()
        queue.become_hungry()
        await self._wait_for_round()

    async def _let_settle(self) -> None:
        """Lets jobs that ended at once be settled: so a claim can stand behind the next block."""
        self._claimed.clear()
        is_busy = any(queue.running for queue in self._queues.values())
        if not (is_busy or self._rounds.is_quiet):
            await self._wait_for_round()

    async def _wait_for_round(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLAIM_WITHIN_S):
                await self._claimed.wait()

    async def _ensure_connected(self) -> None:
        if self._line is not None:
            return
        self._has_brought_script = False
        self._client = self._connect()
        self._line = await Line.open(self._client)
        self._connection_id = int(await self._command("CLIENT", "ID"))

    async def _command(self, *parts: Arg) -> Any:
        [reply] = await self._send([pack_command(parts)])
        if isinstance(reply, Exception):
            raise reply
        return reply

    def _send(self, commands: Sequence[bytes]) -> asyncio.Future[list[Any]]:
        assert self._line is not None
        return self._line.send(b"".join(commands), len(commands))

    async def _recover(self, error: BaseException, pauses: Pauses) -> None:
        """Throws the connection away, whatever went wrong on it, and waits before the next."""
        await self._disconnect()
        self._outage.failed(error, during="waiting for jobs")
        await self._clock.sleep(pauses.next_s())
        for queue in self._queues.values():
            queue.become_hungry()

    async def _disconnect(self) -> None:
        line, self._line = self._line, None
        client, self._client = self._client, None
        if line is not None:
            line.close()
        if client is not None:
            await client.aclose()

    def _unblock(self) -> None:
        if self._unblocking is None or self._unblocking.done():
            self._unblocking = asyncio.get_running_loop().create_task(self._send_unblock())

    async def _send_unblock(self) -> None:
        """Unblocks; the block may still be on its way to the server, so it is looked at again."""
        try:
            while self._must_unblock():
                block = self._blocked_on
                unblock = Call(None, (), ("CLIENT", "UNBLOCK", self._connection_id), int)
                if not await self._sender.send(unblock):
                    await asyncio.sleep(_ON_ITS_WAY_S)
                elif self._blocked_on is block:
                    return
                # Else another block may stand by now, which nobody else will end.
        except Exception:  # noqa: BLE001 - then the block ends by itself, within BLOCK_S
            return

    def _must_unblock(self) -> bool:
        if not self._blocked_on:
            return False
        if self._is_closing or self._rounds.is_recalled or self._rounds.may_stand:
            return True
        return not self._blocked_on.issuperset(self._wanted())

    def _wanted(self) -> list[bytes]:
        return [marker for marker, queue in self._queues.items() if queue.wants_marker]
