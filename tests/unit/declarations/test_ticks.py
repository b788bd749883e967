"""The ticks a schedule has ahead."""

from __future__ import annotations

from itertools import islice

import pytest

from toril.declarations.instants import format_instant, parse_instant_ms
from toril.declarations.schedule import Schedule
from toril.declarations.ticks import merge_ticks, upcoming_ticks

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
    ],
)
def test_a_schedule_has_these_ticks_ahead(
    schedule: Schedule, next_ms: int | None, expected: list[str]
) -> None:
    ticks = upcoming_ticks(schedule, now_ms=NOW_MS, next_ms=next_ms)

    assert show(list(islice(ticks, 3))) == expected


def test_the_ticks_of_all_schedules_come_in_order() -> None:
    schedules = [
        Schedule(name="minute", cron="* * * * *"),
        Schedule(name="often", every_ms=20_000),
        Schedule(name="over", at_ms=NOW_MS - 1),
    ]

    ticks = merge_ticks(schedules, now_ms=NOW_MS, pending={"often": NOW_MS + 10_000}, count=4)

    assert [(s.name, *show([tick])) for tick, s in ticks] == [
        ("often", "00:00:40"),
        ("minute", "00:01:00"),
        ("often", "00:01:00"),
        ("often", "00:01:20"),
    ]
