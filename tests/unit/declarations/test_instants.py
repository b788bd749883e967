"""Instants."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toril.declarations.instants import format_instant, from_ms, parse_instant_ms, to_ms


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("1970-01-01T00:00:00Z", "Europe/Zurich", "1970-01-01T00:00:00.000Z"),
        ("2027-01-01T09:00:00", "UTC", "2027-01-01T09:00:00.000Z"),
        ("2027-01-01T09:00:00", "Europe/Zurich", "2027-01-01T08:00:00.000Z"),
        ("2027-07-01 09:00", "Europe/Zurich", "2027-07-01T07:00:00.000Z"),
        ("2027-01-01", "America/New_York", "2027-01-01T05:00:00.000Z"),
        ("2027-01-01T09:00:00.250+02:00", "UTC", "2027-01-01T07:00:00.250Z"),
        # Skipped by the change to summer time: an hour later, as a schedule's tick.
        ("2027-03-28T02:30:00", "Europe/Zurich", "2027-03-28T01:30:00.000Z"),
    ],
)
def test_iso_text_is_read_in_the_zone_unless_it_names_one(
    text: str, zone: str, expected: str
) -> None:
    assert format_instant(parse_instant_ms(text, zone)) == expected


@pytest.mark.parametrize("text", ["", "tomorrow", "2027-13-01", "09:00", 5])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(
        ValueError, match="expected an instant such as 2027-01-01T09:00:00"
    ) as caught:
        parse_instant_ms(text)

    assert repr(text) in str(caught.value)


def test_a_naive_datetime_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a datetime with a time zone, got datetime"):
        to_ms(datetime(2027, 1, 1))


@given(st.integers(min_value=0, max_value=253_402_300_799_999))
def test_every_millisecond_survives_the_round_trip(instant_ms: int) -> None:
    assert to_ms(from_ms(instant_ms)) == instant_ms
    assert parse_instant_ms(format_instant(instant_ms)) == instant_ms


def test_an_instant_past_the_last_year_is_written_as_the_last() -> None:
    assert format_instant(10**18) == "9999-12-31T23:59:59.999Z"


def test_zones_of_datetimes_are_respected() -> None:
    east = datetime(2027, 1, 1, 9, tzinfo=timezone(timedelta(hours=9)))

    assert to_ms(east) == to_ms(datetime(2027, 1, 1, tzinfo=UTC))
