"""Cron expressions: the grammar Toril takes, and the next tick in a time zone.

cronsim does the calendar. The adapter gives the answers of Node's cron-parser where the two
differ, because a schedule's next tick is computed by whichever worker claims the last one:
seconds come first when there are six fields, a day of month and a day of week are alternatives
unless one is a bare `*`, and over a change of the clocks an hour that is skipped runs in the hour
that follows it, while an hour that comes twice runs once. Only a pattern of every hour of the day
follows the clock's own hours instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from cronsim.cronsim import SYMBOLIC_DAYS, SYMBOLIC_MONTHS, Field, SpecItem

#: What Node's cron-parser knows by name, as six fields.
ALIASES = {
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
    "@minutely": "0 * * * * *",
    "@secondly": "* * * * * *",
    "@weekdays": "0 0 0 * * 1-5",
    "@weekends": "0 0 0 * * 0,6",
}

_EXPECTED = (
    "0-59",
    "0-59",
    "0-23",
    "1-31 or L",
    "1-12 or JAN-DEC",
    "0-7 or SUN-SAT (also 5L, 5#2)",
)
_MAX_LENGTH = 1024
#: A range of one, which cronsim would step on from to the end of the field.
_ONE_IN_STEPS = re.compile(r"\b([0-9]+)-\1/[0-9]+")
_EVERY_HOUR = frozenset(range(24))

#: No change of the clocks is larger, and none comes within so short a time of another.
_LARGEST_SHIFT = timedelta(hours=3)


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression that was understood."""

    #: As it was written; Node's cron-parser reads the same from it.
    text: str
    #: Six fields as cronsim takes them, seconds first.
    fields: tuple[str, str, str, str, str, str]
    #: A day must match day of month and day of week; otherwise either will do.
    both_days: bool
    #: It names every hour of the day, so it follows real time over a change of the clocks.
    every_hour: bool

    def starts_at(self, moment: datetime) -> CronSim:
        """Gives an iterator over the ticks after `moment`."""
        ticks = CronSim(" ".join(self.fields), moment)
        ticks.day_and = self.both_days
        return ticks


@lru_cache(maxsize=4096)
def parse_cron(text: str) -> Cron:
    """Reads five fields, six with seconds first, or a name such as `@daily`.

    Raises ValueError that says what is wrong and what to write instead.
    """
    fields = _split(text)
    cleaned = [_check_field(text, position, part) for position, part in enumerate(fields)]
    cron = Cron(
        text=text,
        fields=(cleaned[0], cleaned[1], cleaned[2], cleaned[3], cleaned[4], cleaned[5]),
        both_days="*" in (cleaned[3], cleaned[5]),
        every_hour=Field.HOUR.parse(cleaned[2]) == _EVERY_HOUR,
    )
    _check_that_it_comes(cron)
    return cron


def next_tick_ms(cron: Cron | str, after_ms: int, timezone: str) -> int | None:
    """Gives the first tick strictly after an instant, in ms; None when none is left.

    `timezone` is an IANA name. An unreadable expression or an unknown zone raises ValueError.
    """
    if isinstance(cron, str):
        cron = parse_cron(cron)
    zone = _find_zone(timezone)
    after = datetime.fromtimestamp(after_ms // 1000, UTC)
    tick = _next_by_real_time(cron, after, zone) if cron.every_hour else _next(cron, after, zone)
    return None if tick is None else int(tick.timestamp()) * 1000


def _find_zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(
            f"expected an IANA time zone such as Europe/Zurich, got {name!r}"
        ) from error


def _split(text: str) -> list[str]:
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"expected a cron expression such as '0 * * * *', got {text!r}")
    if len(text) > _MAX_LENGTH:
        raise ValueError(f"expected a cron expression of at most {_MAX_LENGTH} characters")
    if text.startswith("@"):
        if text not in ALIASES:
            raise ValueError(f"expected one of {', '.join(ALIASES)}, got {text!r}")
        return ALIASES[text].split()
    fields = text.split()
    if len(fields) == 5:
        return ["0", *fields]
    if len(fields) != 6:
        raise ValueError(
            f"expected 5 fields (minute hour day month weekday) or 6 (second first), "
            f"got {len(fields)} in {text!r}"
        )
    return fields


def _check_field(text: str, position: int, part: str) -> str:
    """Gives the field as cronsim takes it, or raises ValueError that names it."""
    field = Field(position)
    name = field.msg().removeprefix("Bad ")
    names = {Field.MONTH: SYMBOLIC_MONTHS, Field.DOW: SYMBOLIC_DAYS}.get(field, [])
    cleaned = part.upper().replace("?", "*")
    for number, word in enumerate(names, start=int(field is Field.MONTH)):
        cleaned = cleaned.replace(word, str(number))
    if "H" in cleaned:
        raise ValueError(f"'H' is not known in {name} {part!r}; write the number you want")
    if _is_foreign_to_node(field, cleaned):
        raise ValueError(_wrong_field(text, name, position, part))
    try:
        field.parse(cleaned)
    except (CronSimError, AssertionError) as error:
        raise ValueError(_wrong_field(text, name, position, part)) from error
    twice = _named_twice(field, cleaned)
    if twice:
        raise ValueError(f"{name} {part!r} in {text!r} names {twice[0]} twice; name it once")
    return _ONE_IN_STEPS.sub(r"\1", cleaned)


def _is_foreign_to_node(field: Field, part: str) -> bool:
    """Tells what cronsim reads and cron-parser refuses or reads otherwise."""
    if "W" in part or ("#" in part and any(char in part for char in ",-/")):
        return True
    last = [term for term in part.split(",") if "L" in term]
    if field is Field.DAY:
        return any(term != "L" for term in last)
    return any("-" in term or "/" in term for term in last)


def _named_twice(field: Field, part: str) -> list[SpecItem]:
    """Gives the values that several terms of a list share; cron-parser refuses the list."""
    seen: set[SpecItem] = set()
    shared: set[SpecItem] = set()
    for term in part.split(","):
        values = field.parse(term)
        if field is Field.DOW and 7 in values:
            values = (values - {7}) | {0}
        shared |= seen & values
        seen |= values
    return sorted(shared, key=str)


def _wrong_field(text: str, name: str, position: int, part: str) -> str:
    return (
        f"expected {name} as {_EXPECTED[position]}, '*', a list, a range or a step, "
        f"got {part!r} in {text!r}"
    )


def _check_that_it_comes(cron: Cron) -> None:
    try:
        next(cron.starts_at(datetime(2024, 1, 1)))
    except (StopIteration, CronSimError) as error:
        raise ValueError(f"the day of {cron.text!r} never comes; correct day or month") from error


def _next_by_real_time(cron: Cron, after: datetime, zone: ZoneInfo) -> datetime | None:
    ticks = cron.starts_at(after.astimezone(zone))
    for tick in ticks:
        if not (tick.hour == 0 and _runs_second(ticks, tick.replace(tzinfo=None), after, zone)):
            return tick.astimezone(UTC)
        if tick.fold:
            return tick.astimezone(UTC)
    return None


def _next(cron: Cron, after: datetime, zone: ZoneInfo) -> datetime | None:
    """Reads the calendar as a clock on the wall shows it, then asks when that is.

    A time the clocks skip is read with the offset from before (02:30 is then 03:30), one that
    comes twice as the first. After a skip the wall is ahead of the calendar by the skipped time,
    hence the earlier start; and times of the skipped hour may come after those of the next one.
    """
    ticks = _wall_ticks(cron, after, zone)
    earliest: datetime | None = None
    for wall in ticks:
        tick = wall.replace(tzinfo=zone).astimezone(UTC)
        if _shown(tick, zone) != wall:
            if _is_lost(ticks, wall, zone):
                continue
        elif wall.hour == 0 and _runs_second(ticks, wall, after, zone):
            tick = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
        if tick > after and (earliest is None or tick < earliest):
            earliest = tick
        if earliest is not None and wall >= _shown(earliest, zone):
            break
    return earliest


def _wall_ticks(cron: Cron, after: datetime, zone: ZoneInfo) -> CronSim:
    now = after.astimezone(zone)
    before = (after - _LARGEST_SHIFT).astimezone(zone)
    offset = min(now.utcoffset() or timedelta(), before.utcoffset() or timedelta())
    return cron.starts_at(after.replace(tzinfo=None) + offset)


def _shown(moment: datetime, zone: ZoneInfo) -> datetime:
    """Gives what a clock on the wall shows."""
    return moment.astimezone(zone).replace(tzinfo=None)


def _is_lost(ticks: CronSim, wall: datetime, zone: ZoneInfo) -> bool:
    """Tells a skipped time that cron-parser leaves out instead of running it later.

    Where a skip begins or ends at midnight it jumps over it from day to day, unless its search
    stepped through the hour before.
    """
    last, first = _around_skip(wall, zone)
    return last.date() != first.date() and not _searches_hour(ticks, last)


def _around_skip(wall: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Gives what the wall shows in the last second before a skipped time and the first after."""
    low = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    high = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) // 2
        middle = middle.replace(microsecond=0)
        if _shown(middle, zone) < wall:
            low = middle
        else:
            high = middle
    return _shown(low, zone), _shown(high, zone)


def _runs_second(ticks: CronSim, wall: datetime, after: datetime, zone: ZoneInfo) -> bool:
    """Tells a doubled time after midnight that cron-parser runs at its second pass.

    It enters a day it comes to from a later hour of the day before by the second midnight.
    """
    first, second = (wall.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    if first == second:
        return False
    start = after.astimezone(zone)
    midnight = wall.replace(hour=0, minute=0, second=0)
    last_hour = midnight - timedelta(hours=1)
    if start.date() == wall.date():
        return bool(start.fold) and not _searches_hour(ticks, last_hour)
    if _searches(ticks, last_hour):
        return not _searches_hour(ticks, last_hour)
    return start.date() == last_hour.date() and start.hour > 0


def _searches(ticks: CronSim, day: datetime) -> bool:
    return day.month in ticks.months and ticks.match_day(day.date())


def _searches_hour(ticks: CronSim, hour: datetime) -> bool:
    return hour.hour in ticks.hours and _searches(ticks, hour)
