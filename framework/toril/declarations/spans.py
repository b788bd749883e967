"""Spans of time as code gives them: how long to wait, or to hold something back."""

from __future__ import annotations

import math
from datetime import timedelta

from toril.declarations.units import parse_duration_ms

#: A pause or a patience: seconds, a duration such as "5s", or a timedelta.
Span = float | str | timedelta


def read_span_ms(span: object) -> int:
    """Reads seconds, a duration or a timedelta as milliseconds; raises ValueError otherwise."""
    if isinstance(span, str):
        return parse_duration_ms(span)
    seconds = span.total_seconds() if isinstance(span, timedelta) else span
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise ValueError(f"expected seconds, a duration such as '30s' or a timedelta, got {span!r}")
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"expected a time from now on, got {span!r}")
    return round(seconds * 1000)


def read_timeout_s(timeout: Span | None) -> float | None:
    """Reads how long to wait, None for as long as it takes; raises ValueError."""
    return None if timeout is None else read_span_ms(timeout) / 1000
