"""Reads `Retry-After`: seconds, or an HTTP date."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def parse_retry_after(text: str | None, *, now: datetime, most_s: float) -> float | None:
    """Gives the pause in seconds, from 1 to `most_s`; None where there is none to read."""
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        # As many digits as fit: more would ask for longer than anything allows.
        return max(1.0, min(float(text[:18]), most_s))
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(1.0, min((until - now).total_seconds(), most_s))
