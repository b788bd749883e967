"""Instants: ISO 8601 text and datetimes to milliseconds since the epoch, and back."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

#: Of the year 9999; beyond it datetime cannot write an instant.
_LAST_MS = 253_402_300_799_999


def parse_instant_ms(text: str, timezone: str = "UTC") -> int:
    """Reads `2027-01-01T09:00:00` as milliseconds; `timezone` is used where the text names none.

    Raises ValueError for anything else, with what was expected.
    """
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise ValueError(
            f"expected an instant such as 2027-01-01T09:00:00 or 2027-01-01T09:00:00Z, got {text!r}"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(timezone))
    return to_ms(moment)


def to_ms(moment: datetime) -> int:
    """Gives an aware datetime in milliseconds; raises ValueError for a naive one."""
    if moment.utcoffset() is None:
        raise ValueError(f"expected a datetime with a time zone, got {moment!r}")
    # Not timestamp(): a float of seconds does not hold every millisecond exactly.
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000


def from_ms(instant_ms: int) -> datetime:
    """Gives an instant as a datetime in UTC."""
    seconds, ms = divmod(min(instant_ms, _LAST_MS), 1000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=ms * 1000)


def format_instant(instant_ms: int) -> str:
    """Writes an instant as ISO 8601 in UTC: `2027-01-01T09:00:00.000Z`."""
    return from_ms(instant_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def format_basic_instant(instant_ms: int) -> str:
    """Writes an instant in ISO 8601's basic form, which ids can hold: `20270101T090000Z`."""
    moment = from_ms(instant_ms)
    part = f".{instant_ms % 1000:03}" if instant_ms % 1000 else ""
    return f"{moment:%Y%m%dT%H%M%S}{part}Z"
