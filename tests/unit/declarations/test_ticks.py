"""The ticks a schedule has ahead."""

from __future__ import annotations

from itertools import islice

import pytest

from toril.declarations.instants import format_instant, parse_instant_ms
from toril.declarations.schedule import Schedule
from toril.declarations.ticks import Standing, find_clock_change, merge_ticks, upcoming_ticks

NOW_MS = parse_instant_ms("2027-01-01T00:00:30Z")


def show(ticks: list[int]) -> list[str]:
    return [format_instant(tick)[11:19] for tick in ticks]


@pytest.mark.parametrize(
    ("schedule", "next_ms", "expected"),
    [
        (Schedule(name="s", cron="* * * * *"), None, ["00:01:00", "00:02:00", "00:03:00"]),
        (Schedule(name="s", every_ms=60_000), None, ["00:00:30", "00:01:30", "00:02:30"]),
        (
            Schedule(name="s", every_ms=60_000),
            NOW_MS + 5_000,
            ["00:00:35", "00:01:35", "00:02:35"],
        ),
        (Schedule(name="s", at_ms=NOW_MS + 1_000), None, ["00:00:31"]),
        (Schedule(name="s", at_ms=NOW_MS), None, []),
        (
            Schedule(name="s", cron="* * * * *", end_ms=NOW_MS + 90_000),
            None,
            ["00:01:00", "00:02:00"],
        ),
        (
            Schedule(name="s", cron="* * * * *", start_ms=NOW_MS + 90_000),
            None,
            ["00:02:00", "00:03:00", "00:04:00"],
        ),
        (
            Schedule(name="s", every_ms=60_000, start_ms=NOW_MS + 1000),
            None,
            ["00:00:31", "00:01:31", "00:02:31"],
        ),
        (Schedule(name="s", every_ms=60_000, limit=3), None, ["00:00:30", "00:01:30"]),
        (Schedule(name="s", every_ms=60_000, enabled=False), None, []),
    ],
)
def test_a_schedule_has_these_ticks_ahead(
    schedule: Schedule, next_ms: int | None, expected: list[str]
) -> None:
    standing = Standing(next_ms, fired_ticks=1)

    ticks = upcoming_ticks(schedule, now_ms=NOW_MS, standing=standing)

    assert show(list(islice(ticks, 3))) == expected


def test_the_ticks_of_all_schedules_come_in_order() -> None:
    schedules = [
        Schedule(name="minute", cron="* * * * *"),
        Schedule(name="often", every_ms=20_000),
        Schedule(name="over", at_ms=NOW_MS - 1),
    ]

    standings = {"often": Standing(NOW_MS + 10_000)}

    ticks = merge_ticks(schedules, now_ms=NOW_MS, standings=standings, count=4)

    assert [(s.name, *show([tick])) for tick, s in ticks] == [
        ("often", "00:00:40"),
        ("minute", "00:01:00"),
        ("often", "00:01:00"),
        ("often", "00:01:20"),
    ]


@pytest.mark.parametrize(
    ("day", "timezone", "hours"),
    [
        ("2026-03-29T12:00:00Z", "Europe/Zurich", 1),
        ("2026-10-24T22:00:00Z", "Europe/Zurich", -1),
        ("2026-10-24T21:59:59Z", "Europe/Zurich", 0),
        ("2026-03-28T12:00:00Z", "Europe/Zurich", 0),
        ("2026-09-06T12:00:00Z", "America/Santiago", 1),
        ("2026-04-04T12:00:00Z", "America/Santiago", -1),
        ("2026-11-01T12:00:00Z", "America/Havana", -1),
        ("2026-10-04T12:00:00Z", "Australia/Lord_Howe", 0.5),
        ("2026-10-04T12:00:00Z", "UTC", 0),
    ],
)
def test_a_day_on_which_the_clocks_change_is_known(day: str, timezone: str, hours: float) -> None:
    change = find_clock_change(parse_instant_ms(day), timezone)

    assert change.total_seconds() == hours * 3600
