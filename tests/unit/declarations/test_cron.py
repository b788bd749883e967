"""Cron: what is read, what is refused, and the ticks Node's cron-parser would give."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toril.declarations.cron import ALIASES, next_tick_ms, parse_cron


def at(text: str, timezone: str, fold: int = 0) -> int:
    moment = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(timezone), fold=fold)
    return int(moment.timestamp() * 1000)


def list_ticks(cron: str, timezone: str, after: str, count: int) -> list[str]:
    instant = at(after, timezone)
    ticks = []
    for _ in range(count):
        tick = next_tick_ms(cron, instant, timezone)
        assert tick is not None
        instant = tick
        moment = datetime.fromtimestamp(tick / 1000, ZoneInfo(timezone))
        ticks.append(moment.strftime("%m-%d %H:%M:%S %z"))
    return ticks


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("*/15 * * * *", "2026-03-02 10:15:00"),
        ("30 9 * * *", "2026-03-03 09:30:00"),
        ("*/20 * * * * *", "2026-03-02 10:07:40"),
        ("0 0 1 * *", "2026-04-01 00:00:00"),
        ("0 0 L * *", "2026-03-31 00:00:00"),
        ("0 0 * * 5L", "2026-03-27 00:00:00"),
        ("0 0 * * MON#2", "2026-03-09 00:00:00"),
        ("0 0 29 FEB *", "2028-02-29 00:00:00"),
        ("0 12 ? * tue-thu", "2026-03-03 12:00:00"),
        ("0 5-5/2 * * *", "2026-03-03 05:00:00"),
        ("0 0 * * TUE-TUE/2,5", "2026-03-03 00:00:00"),
        ("0 0 * * 7", "2026-03-08 00:00:00"),
        ("@daily", "2026-03-03 00:00:00"),
        ("@hourly", "2026-03-02 11:00:00"),
        ("@secondly", "2026-03-02 10:07:31"),
    ],
)
def test_the_next_tick(cron: str, expected: str) -> None:
    after = at("2026-03-02 10:07:30.500", "UTC")

    assert next_tick_ms(cron, after, "UTC") == at(expected, "UTC")


def test_a_tick_is_strictly_after_the_instant_given() -> None:
    noon = at("2026-03-02 12:00:00", "UTC")

    assert next_tick_ms("0 12 * * *", noon, "UTC") == noon + 86_400_000
    assert next_tick_ms("0 12 * * *", noon - 1, "UTC") == noon


def test_a_step_in_the_day_of_month_and_a_weekday_are_alternatives() -> None:
    days = list_ticks("0 0 */10 * 1", "UTC", "2026-03-01 00:00:00", 5)

    assert [day[:5] for day in days] == ["03-02", "03-09", "03-11", "03-16", "03-21"]


def test_a_skipped_time_runs_an_hour_later() -> None:
    ticks = list_ticks("30 2 * * *", "Europe/Zurich", "2026-03-28 12:00:00", 2)

    assert ticks == ["03-29 03:30:00 +0200", "03-30 02:30:00 +0200"]


def test_skipped_and_next_hour_together_run_once() -> None:
    ticks = list_ticks("0,30 2,3 * * *", "Europe/Zurich", "2026-03-28 12:00:00", 3)

    assert ticks == ["03-29 03:00:00 +0200", "03-29 03:30:00 +0200", "03-30 02:00:00 +0200"]


def test_a_doubled_time_runs_once_at_its_first_pass() -> None:
    ticks = list_ticks("30 1 * * *", "Europe/London", "2026-10-24 12:00:00", 2)

    assert ticks == ["10-25 01:30:00 +0100", "10-26 01:30:00 +0000"]


def test_every_half_hour_runs_in_both_passes_and_not_in_the_skipped_hour() -> None:
    doubled = list_ticks("*/30 * * * *", "Europe/London", "2026-10-25 00:30:00", 4)
    skipped = list_ticks("*/30 * * * *", "Europe/London", "2026-03-29 00:00:00", 2)

    assert doubled == [
        "10-25 01:00:00 +0100",
        "10-25 01:30:00 +0100",
        "10-25 01:00:00 +0000",
        "10-25 01:30:00 +0000",
    ]
    assert skipped == ["03-29 00:30:00 +0000", "03-29 02:00:00 +0100"]


def test_a_skipped_midnight_is_left_out_as_node_does() -> None:
    ticks = list_ticks("0 0 * * *", "Africa/Cairo", "2026-04-23 12:00:00", 1)

    assert ticks == ["04-25 00:00:00 +0300"]


def test_a_doubled_midnight_runs_at_its_second_pass_as_node_does() -> None:
    ticks = list_ticks("0 0 * * *", "America/Havana", "2026-10-31 12:00:00", 2)

    assert ticks == ["11-01 00:00:00 -0500", "11-02 00:00:00 -0500"]


ZONES = ("UTC", "Europe/Zurich", "America/New_York", "America/Havana", "Australia/Lord_Howe")
field = st.sampled_from(("*", "0", "30", "*/7", "5,40"))
hour = st.sampled_from(("*", "0", "2", "1-3", "*/5", "23"))
day = st.sampled_from(("*", "1", "L", "*/3"))


@given(
    cron=st.tuples(field, hour, day, st.just("*"), st.sampled_from(("*", "1", "5L"))).map(" ".join),
    after_ms=st.integers(1_700_000_000_000, 1_900_000_000_000),
    timezone=st.sampled_from(ZONES),
)
def test_ticks_come_in_order_and_never_stand_still(cron: str, after_ms: int, timezone: str) -> None:
    first = next_tick_ms(cron, after_ms, timezone)
    assert first is not None
    assert first > after_ms

    second = next_tick_ms(cron, first, timezone)

    assert second is not None
    assert second > first


@given(after_ms=st.integers(1_700_000_000_000, 1_900_000_000_000))
def test_a_daily_schedule_comes_once_on_each_day_of_the_wall(after_ms: int) -> None:
    zone = ZoneInfo("Europe/Zurich")
    first = next_tick_ms("30 2 * * *", after_ms, "Europe/Zurich")
    assert first is not None

    second = next_tick_ms("30 2 * * *", first, "Europe/Zurich")

    assert second is not None
    days = [datetime.fromtimestamp(tick / 1000, zone).date() for tick in (first, second)]
    assert days[1] - days[0] == timedelta(days=1)


@pytest.mark.parametrize("name", sorted(ALIASES))
def test_every_name_means_its_six_fields(name: str) -> None:
    after = at("2026-03-02 10:07:30", "UTC")

    assert next_tick_ms(name, after, "UTC") == next_tick_ms(ALIASES[name], after, "UTC")


EXPECTED_MINUTE = "expected minute as 0-59, '*', a list, a range or a step, got "
WRONG = [
    ("", "expected a cron expression such as '0 * * * *', got ''"),
    (
        "* * * *",
        "expected 5 fields (minute hour day month weekday) or 6 (second first), got 4 in '* * * *'",
    ),
    ("61 * * * *", EXPECTED_MINUTE + "'61' in '61 * * * *'"),
    ("5-1 * * * *", EXPECTED_MINUTE + "'5-1' in '5-1 * * * *'"),
    ("*/0 * * * *", EXPECTED_MINUTE + "'*/0' in '*/0 * * * *'"),
    ("H * * * *", "'H' is not known in minute 'H'; write the number you want"),
    ("1-5,3 * * * *", "minute '1-5,3' in '1-5,3 * * * *' names 3 twice; name it once"),
    ("0 0 * * 0,7", "day-of-week '0,7' in '0 0 * * 0,7' names 0 twice; name it once"),
    (
        "0 0 LW * *",
        "expected day-of-month as 1-31 or L, '*', a list, a range or a step, got 'LW' in "
        "'0 0 LW * *'",
    ),
    (
        "0 0 * 13 *",
        "expected month as 1-12 or JAN-DEC, '*', a list, a range or a step, got '13' in "
        "'0 0 * 13 *'",
    ),
    (
        "0 0 * * JAN",
        "expected day-of-week as 0-7 or SUN-SAT (also 5L, 5#2), '*', a list, a range or a step, "
        "got 'JAN' in '0 0 * * JAN'",
    ),
    ("0 0 31 2 *", "the day of '0 0 31 2 *' never comes; correct day or month"),
    ("@reboot", f"expected one of {', '.join(ALIASES)}, got '@reboot'"),
    ("* " * 600, "expected a cron expression of at most 1024 characters"),
]


@pytest.mark.parametrize(("cron", "message"), WRONG)
def test_what_is_wrong_is_said(cron: str, message: str) -> None:
    with pytest.raises(ValueError) as raised:
        parse_cron(cron)

    assert str(raised.value) == message


@pytest.mark.parametrize("timezone", ["Mars/Olympus", "", "../etc/passwd", "Europe"])
def test_an_unknown_time_zone_is_said(timezone: str) -> None:
    with pytest.raises(ValueError) as raised:
        next_tick_ms("* * * * *", 0, timezone)

    expected = f"expected an IANA time zone such as Europe/Zurich, got {timezone!r}"
    assert str(raised.value) == expected
