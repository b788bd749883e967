"""The ticks a schedule has ahead."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from toril.declarations.cron import next_tick_ms
from toril.declarations.schedule import Schedule


def upcoming_ticks(schedule: Schedule, *, now_ms: int, next_ms: int | None = None) -> Iterator[int]:
    """Gives the instants of the ticks after now, in ms, the soonest first; it may have no end.

    `next_ms` is the tick that is pending in Redis, which an interval is counted from; without one
    it starts now.
    """
    if schedule.at_ms is not None:
        if schedule.at_ms > now_ms:
            yield schedule.at_ms
    elif schedule.every_ms is not None:
        tick_ms = now_ms if next_ms is None else next_ms
        while True:
            yield tick_ms
            tick_ms += schedule.every_ms
    elif schedule.cron is not None:
        next_by_cron = next_tick_ms(schedule.cron, now_ms, schedule.timezone)
        while next_by_cron is not None:
            yield next_by_cron
            next_by_cron = next_tick_ms(schedule.cron, next_by_cron, schedule.timezone)


def merge_ticks(
    schedules: Iterable[Schedule], *, now_ms: int, pending: Mapping[str, int], count: int
) -> list[tuple[int, Schedule]]:
    """Gives the next `count` ticks of all schedules together; `pending` maps names to `next_ms`."""

    def of(schedule: Schedule) -> Iterator[tuple[int, str, Schedule]]:
        ticks = upcoming_ticks(schedule, now_ms=now_ms, next_ms=pending.get(schedule.name))
        return ((tick, schedule.name, schedule) for tick in ticks)

    merged = heapq.merge(*(of(schedule) for schedule in schedules), key=lambda t: t[:2])
    return [(tick, schedule) for tick, _, schedule in islice(merged, count)]
