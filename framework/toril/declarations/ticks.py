"""The ticks a schedule has ahead."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

from toril.declarations.cron import next_tick_ms
from toril.declarations.instants import from_ms
from toril.declarations.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a schedule is, as Redis knows it."""

    #: The tick that is pending, which an interval is counted from; None: it starts now.
    next_ms: int | None = None
    #: Ticks that were, which count against its limit.
    fired_ticks: int = 0


def upcoming_ticks(
    schedule: Schedule, *, now_ms: int, standing: Standing | None = None
) -> Iterator[int]:
    """Gives the instants of the ticks after now, in ms, the soonest first; it may have no end."""
    if not schedule.enabled:
        return iter(())
    standing = standing or Standing()
    end_ms = schedule.end_ms
    ticks = _ticks(schedule, now_ms, standing.next_ms)
    if end_ms is not None:
        ticks = takewhile(lambda tick_ms: tick_ms <= end_ms, ticks)
    if schedule.limit is not None:
        ticks = islice(ticks, max(schedule.limit - standing.fired_ticks, 0))
    return ticks


def merge_ticks(
    schedules: Iterable[Schedule], *, now_ms: int, standings: Mapping[str, Standing], count: int
) -> list[tuple[int, Schedule]]:
    """Gives the next `count` ticks of all schedules together; `standings` are by name."""

    def of(schedule: Schedule) -> Iterator[tuple[int, str, Schedule]]:
        ticks = upcoming_ticks(schedule, now_ms=now_ms, standing=standings.get(schedule.name))
        return ((tick, schedule.name, schedule) for tick in ticks)

    merged = heapq.merge(*(of(schedule) for schedule in schedules), key=lambda t: t[:2])
    return [(tick, schedule) for tick, _, schedule in islice(merged, count)]


def find_clock_change(instant_ms: int, timezone: str) -> timedelta:
    """Gives how far the clocks go forward on the day of an instant; below 0: back; 0 mostly."""
    zone = ZoneInfo(timezone)
    midnight = datetime.combine(from_ms(instant_ms).astimezone(zone).date(), time(), zone)
    before, after = midnight.utcoffset(), (midnight + timedelta(days=1)).utcoffset()
    assert before is not None
    assert after is not None
    return after - before


def _ticks(schedule: Schedule, now_ms: int, next_ms: int | None) -> Iterator[int]:
    start_ms = schedule.start_ms or 0
    if schedule.at_ms is not None:
        if schedule.at_ms > now_ms:
            yield schedule.at_ms
    elif schedule.every_ms is not None:
        tick_ms = max(now_ms, start_ms) if next_ms is None else next_ms
        while True:
            yield tick_ms
            tick_ms += schedule.every_ms
    elif schedule.cron is not None:
        next_by_cron = next_tick_ms(schedule.cron, max(now_ms, start_ms - 1), schedule.timezone)
        while next_by_cron is not None:
            yield next_by_cron
            next_by_cron = next_tick_ms(schedule.cron, next_by_cron, schedule.timezone)
