"""What a queue's handle sets and moves: pause, limits, deduplication ids, many jobs at once."""

from __future__ import annotations

from toril.adding import Instant, read_instant_ms
from toril.declarations.spans import Span, read_span_ms
from toril.declarations.units import Rate, parse_rate
from toril.handles.needs import Sends
from toril.runtime import many
from toril.runtime.calls import deduplication, limits, queues
from toril.runtime.keys import QueueKeys
from toril.runtime.progress import Progress
from toril.runtime.states import parse_state
from toril.runtime.steps import walk


class QueueChanges:
    """A part of `QueueHandle`.

    What the queue allows (`max_active`, the rate limit) holds for all its workers, BullMQ's for
    Node too.
    """

    __slots__ = ()

    _client: Sends
    _keys: QueueKeys

    async def pause(self) -> bool:
        """Stops the claiming of its jobs, everywhere; gives False if it was paused already."""
        return await self._client.send(queues.pause(self._keys))

    async def resume(self) -> bool:
        """Lets its jobs be claimed again; gives False if it was not paused."""
        return await self._client.send(queues.resume(self._keys))

    async def limits(self) -> limits.Limits:
        """Gives what it allows, and for how long a rate limit holds it now."""
        return await self._client.send(limits.read_limits(self._keys))

    async def set_max_active(self, max_active: int | None) -> None:
        """Bounds how many of its jobs are active at once; None lifts the bound."""
        await self._client.send(limits.set_max_active(self._keys, max_active))

    async def set_rate_limit(self, rate: str | Rate | None) -> None:
        """Bounds how many of its jobs start per time, such as "10/s"; None lifts the bound."""
        await self._client.send(limits.set_rate(self._keys, read_rate(rate)))

    async def set_key_max_active(self, number: int, max_active: int | None) -> bool:
        """Bounds how many jobs of one key are active at once, by its limit per key of that number.

        The first is 1; None lifts the bound. Gives False if the queue has no such limit.
        """
        now_ms = self._client.clock.now_ms()
        steps = limits.set_key_max_active(self._keys, number, max_active, now_ms=now_ms)
        return await walk(steps, self._client.send)

    async def set_key_rate(self, number: int, rate: str | Rate | None) -> bool:
        """Bounds how many jobs of one key start per time; as `set_key_max_active`."""
        now_ms = self._client.clock.now_ms()
        steps = limits.set_key_rate(self._keys, number, read_rate(rate), now_ms=now_ms)
        return await walk(steps, self._client.send)

    async def hold(self, span: Span) -> None:
        """Has no job claimed for so long, as if the rate limit were used up."""
        await self._client.send(limits.hold(self._keys, read_span_ms(span)))

    async def release_rate_limit(self) -> bool:
        """Ends what the rate limit, or `hold`, keeps back now; gives False if there was nothing."""
        return await self._client.send(limits.release(self._keys))

    async def deduplication_owner(self, deduplication_id: str) -> str | None:
        """Gives the id of the job that holds a deduplication id, None if it is free."""
        call = deduplication.read_owner(self._keys, deduplication_id)
        return await self._client.send(call)

    async def release_deduplication(self, deduplication_id: str) -> bool:
        """Frees a deduplication id, whoever holds it; gives False if it was free."""
        return await self._client.send(deduplication.release(self._keys, deduplication_id))

    async def promote_jobs(self, *, on_progress: Progress | None = None) -> int:
        """Makes all its delayed jobs due now; gives how many."""
        steps = many.promote_all(self._keys, on_progress=on_progress)
        return await walk(steps, self._client.send)

    async def retry_jobs(
        self,
        state: str = "failed",
        *,
        finished_by: Instant | None = None,
        limit: int | None = None,
        fresh_attempts: bool = True,
        on_progress: Progress | None = None,
    ) -> many.RetriedJobs:
        """Runs its failed, or completed, jobs again, the oldest first; gives how many.

        `finished_by` leaves out what finished later, `fresh_attempts` allows all attempts again.
        """
        steps = many.retry_all(
            self._keys,
            parse_state(state),
            clock=self._client.clock,
            finished_by_ms=read_latest_ms(finished_by, self._client.pipeline.timezone),
            limit=limit,
            fresh_attempts=fresh_attempts,
            on_progress=on_progress,
        )
        return await walk(steps, self._client.send)


def read_rate(rate: str | Rate | None) -> Rate | None:
    """Reads a rate limit; raises ValueError."""
    return parse_rate(rate) if isinstance(rate, str) else rate


def read_latest_ms(at: Instant | None, timezone: str) -> int | None:
    """Reads an instant up to which jobs are meant; raises ValueError."""
    return None if at is None else read_instant_ms(at, timezone)
