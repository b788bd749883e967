"""Reads when a run that did not complete asks to go on: spans, instants, `Retry-After`."""

from __future__ import annotations

from datetime import datetime
from email.utils import parsedate_to_datetime

from toril.declarations import spans
from toril.declarations.backoff import MAX_DELAY_MS
from toril.declarations.instants import to_ms
from toril.declarations.units import parse_duration_ms


def read_span_ms(span: object) -> int:
    """Reads seconds or a duration text as ms; raises ValueError or TypeError for anything else."""
    if isinstance(span, str):
        span_ms: float = parse_duration_ms(span)
    elif isinstance(span, int | float) and not isinstance(span, bool):
        span_ms = span * 1000
    else:
        span_ms = -1
    if not 0 <= span_ms <= MAX_DELAY_MS:
        raise ValueError(
            f"expected seconds or a duration such as 30s, ten years at most, got {span!r}"
        )
    return round(span_ms)


def read_instant_ms(until: object, *, now_ms: int) -> int:
    """Reads an aware datetime, or a span from now, as ms since the epoch."""
    if not isinstance(until, datetime):
        return now_ms + read_span_ms(until)
    if until.tzinfo is None:
        raise ValueError(f"expected a datetime with a time zone, got {until!r}")
    until_ms = round(until.timestamp() * 1000)
    if until_ms > now_ms + MAX_DELAY_MS:
        raise ValueError(f"expected an instant within ten years, got {until!r}")
    return until_ms


def read_retry_after_ms(error: BaseException, *, now_ms: int) -> int | None:
    """Gives the pause that an error asks for by its `retry_after`, as HTTP's header has it.

    Seconds as a number or text, a duration, a timedelta, an aware datetime or an HTTP date
    (RFC 9110, 10.2.3); None if it asks for nothing that can be read.
    """
    asked = getattr(error, "retry_after", None)
    if asked is None:
        return None
    try:
        return min(max(_parse_retry_after(asked, now_ms), 0), MAX_DELAY_MS)
    except (TypeError, ValueError, OverflowError):
        error.add_note(f"retry_after {asked!r} cannot be read; the backoff is used")
        return None


def _parse_retry_after(asked: object, now_ms: int) -> int:
    if isinstance(asked, str):
        text = asked.strip()
        if text.isdecimal():
            return int(text) * 1000
        if "," in text or " " in text:
            asked = parsedate_to_datetime(text)
        else:
            return parse_duration_ms(text)
    if isinstance(asked, datetime):
        return to_ms(asked) - now_ms
    return spans.read_span_ms(asked)
