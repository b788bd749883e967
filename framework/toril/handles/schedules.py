"""The job schedulers of one queue, for applications: made, changed, read and removed at run time.

Those that the YAML declares are brought to Redis by `toril run`; here they can be read and removed,
but not changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from toril.adding import (
    EMPTY,
    AddOptions,
    Instant,
    read_instant_ms,
    read_priority,
)
from toril.declarations.names import find_named
from toril.declarations.spans import Span, read_span_ms
from toril.errors import AddError
from toril.handles.needs import Sends, SendsSync
from toril.runtime.call import Call
from toril.runtime.calls.schedules import (
    NewSchedule,
    ScheduleRecord,
    Upserted,
    count_schedules,
    list_schedules,
    read_schedule,
    remove_schedule,
    upsert_schedule,
)
from toril.runtime.codec import encode_json
from toril.runtime.job_options import build_opts
from toril.runtime.schedules import first_tick_ms

#: Records that one call reads.
PAGE = 1_000


class Schedules:
    """What `Client.schedules` gives."""

    def __init__(self, client: Sends, queue: str) -> None:
        self._client = client
        self._keys = client.keys(queue)

    async def upsert(
        self,
        id: str,
        job_type: str,
        data: Any = EMPTY,
        *,
        cron: str | None = None,
        every: Span | None = None,
        timezone: str | None = None,
        start: Instant | None = None,
        end: Instant | None = None,
        limit: int | None = None,
        offset: Span | None = None,
        immediately: bool = False,
        priority: int | None = None,
    ) -> Upserted:
        """Makes or changes a schedule that adds jobs of a type; as it should be, it is left alone.

        Exactly one of `cron`, which is in `timezone` or else `defaults.timezone`, and `every`.
        Ticks come from `start` to `end`, `limit` in all. The first tick of an interval is now, or
        at `start`; with an `offset` from the interval's multiples it is the next such instant. That
        of a cron expression is now with `immediately`. One that has no tick left before its end is
        removed (`over`). Raises UnknownName, AddError, or WrongState for one of the YAML.
        """
        wish = _Wish(
            id=id,
            job_type=job_type,
            data=data,
            cron=cron,
            every=every,
            timezone=timezone,
            start=start,
            end=end,
            limit=limit,
            offset=offset,
            immediately=immediately,
            priority=priority,
        )
        return await self._client.send(_build_upsert(self._client, self._keys.queue, wish))

    async def get(self, id: str) -> ScheduleRecord | None:
        """Reads a schedule, whoever made it; None if there is none of that id."""
        return await self._client.send(read_schedule(self._keys, id))

    async def list(self, *, first: int = 0, count: int = 100) -> list[ScheduleRecord]:
        """Reads schedules, at most a thousand, the one that ticks next first."""
        call = list_schedules(self._keys, first=first, count=min(count, PAGE))
        return await self._client.send(call)

    async def count(self) -> int:
        """Counts them."""
        return await self._client.send(count_schedules(self._keys))

    async def remove(self, id: str) -> bool:
        """Removes a schedule with its pending tick; gives False if there is none."""
        return await self._client.send(remove_schedule(self._keys, id))


class SyncSchedules:
    """What `SyncClient.schedules` gives; see `Schedules`."""

    def __init__(self, client: SendsSync, queue: str) -> None:
        self._client = client
        self._keys = client.keys(queue)

    def upsert(
        self,
        id: str,
        job_type: str,
        data: Any = EMPTY,
        *,
        cron: str | None = None,
        every: Span | None = None,
        timezone: str | None = None,
        start: Instant | None = None,
        end: Instant | None = None,
        limit: int | None = None,
        offset: Span | None = None,
        immediately: bool = False,
        priority: int | None = None,
    ) -> Upserted:
        """Makes or changes a schedule that adds jobs of a type; see `Schedules.upsert`."""
        wish = _Wish(
            id=id,
            job_type=job_type,
            data=data,
            cron=cron,
            every=every,
            timezone=timezone,
            start=start,
            end=end,
            limit=limit,
            offset=offset,
            immediately=immediately,
            priority=priority,
        )
        return self._client.send(_build_upsert(self._client, self._keys.queue, wish))

    def get(self, id: str) -> ScheduleRecord | None:
        """Reads a schedule, whoever made it; None if there is none of that id."""
        return self._client.send(read_schedule(self._keys, id))

    def list(self, *, first: int = 0, count: int = 100) -> list[ScheduleRecord]:
        """Reads schedules, at most a thousand, the one that ticks next first."""
        return self._client.send(list_schedules(self._keys, first=first, count=min(count, PAGE)))

    def count(self) -> int:
        """Counts them."""
        return self._client.send(count_schedules(self._keys))

    def remove(self, id: str) -> bool:
        """Removes a schedule with its pending tick; gives False if there is none."""
        return self._client.send(remove_schedule(self._keys, id))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Wish:
    """A schedule as it was asked for."""

    id: str
    job_type: str
    data: Any
    cron: str | None
    every: Span | None
    timezone: str | None
    start: Instant | None
    end: Instant | None
    limit: int | None
    offset: Span | None
    immediately: bool
    priority: int | None


def _build_upsert(client: Sends | SendsSync, queue: str, wish: _Wish) -> Call[Upserted]:
    now_ms, zone = client.clock.now_ms(), wish.timezone or client.pipeline.timezone
    try:
        _check(wish)
        schedule = _build_schedule(client, queue, wish, zone)
        next_ms = first_tick_ms(schedule, now_ms=now_ms, immediately=wish.immediately)
    except ValueError as error:
        raise AddError(f"schedule {wish.id!r}: {error}") from error
    return upsert_schedule(client.keys(queue), schedule, now_ms=now_ms, next_ms=next_ms)


def _check(wish: _Wish) -> None:
    if (wish.cron is None) == (wish.every is None):
        raise ValueError("expected either cron or every")
    if wish.cron is None:
        if wish.immediately:
            raise ValueError("immediately is for cron; the first tick of an interval is now anyway")
        if wish.timezone is not None:
            raise ValueError("timezone is for cron; an interval is the same everywhere")
    elif wish.offset is not None:
        raise ValueError("offset is for every")
    if wish.immediately and wish.start is not None:
        raise ValueError("expected either immediately or start, got both")
    if wish.limit is not None and (type(wish.limit) is not int or wish.limit < 1):
        raise ValueError(f"expected a limit of at least 1 tick, got {wish.limit!r}")


def _build_schedule(client: Sends | SendsSync, queue: str, wish: _Wish, zone: str) -> NewSchedule:
    job_type = find_named("job type", wish.job_type, client.pipeline.jobs)
    if job_type.queue != queue:
        raise ValueError(f"job type {job_type.name!r} is declared for queue {job_type.queue!r}")
    client.check_data(job_type.name, wish.data)
    every_ms = _read_own_span_ms("every", wish.every)
    offset_ms = _read_own_span_ms("offset", wish.offset)
    if every_ms is not None and offset_ms is not None and offset_ms >= every_ms:
        raise ValueError("expected an offset shorter than the interval")
    opts = build_opts(job_type, client.pipeline.queues[queue])
    priority = read_priority(AddOptions(priority=wish.priority), job_type.priority)
    return NewSchedule(
        id=wish.id,
        name=job_type.name,
        cron=wish.cron,
        timezone=zone,
        every_ms=every_ms,
        start_ms=None if wish.start is None else read_instant_ms(wish.start, zone),
        end_ms=None if wish.end is None else read_instant_ms(wish.end, zone),
        offset_ms=offset_ms,
        limit=wish.limit,
        data=encode_json(wish.data),
        opts={**opts, "priority": priority} if priority else opts,
    )


def _read_own_span_ms(what: str, span: Span | None) -> int | None:
    if span is None:
        return None
    span_ms = read_span_ms(span)
    if span_ms < 1:
        raise ValueError(f"expected {what} to be at least 1ms, got {span!r}")
    return span_ms
