"""Durations, rates and sizes: one grammar each, shared with the JSON Schema.

Durations `250ms 30s 5m 1h30m 7d 2w` are milliseconds inside; sizes `10kb 1gb` are bytes, with
1kb = 1024 bytes; rates `10/s 100/5m` are a count and milliseconds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: The same pattern stands in schemas/parts/units.json.
DURATION_PATTERN = r"^(?=.)([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m(?!s))?([0-9]+s)?([0-9]+ms)?$"
SIZE_PATTERN = r"^[0-9]+(b|kb|mb|gb)$"

#: A larger number limits nothing; peers' numbers stay exact.
MAX_LIMIT = 2**31

_DURATION_UNITS_MS = {
    "w": 604_800_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1_000,
    "ms": 1,
}
_SIZE_UNITS = {"b": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3}

_duration = re.compile(DURATION_PATTERN)
_duration_part = re.compile(r"([0-9]+)(ms|[wdhms])")
_size = re.compile(SIZE_PATTERN)
_rate = re.compile(r"([1-9][0-9]*)/([1-9][0-9]*)?(ms|[smhdw])")


def parse_duration_ms(text: str) -> int:
    """Reads a duration such as `1h30m` as milliseconds.

    Raises ValueError for anything else, with what was expected.
    """
    if not isinstance(text, str) or not _duration.fullmatch(text):
        raise ValueError(f"expected a duration such as 30s, 5m or 1h30m, got {text!r}")
    parts = _duration_part.findall(text)
    return sum(int(number) * _DURATION_UNITS_MS[unit] for number, unit in parts)


def format_duration(duration_ms: int) -> str:
    """Writes milliseconds in the shortest form that reads back as the same number."""
    parts = []
    for unit, size_ms in _DURATION_UNITS_MS.items():
        number, duration_ms = divmod(duration_ms, size_ms)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"


def parse_size(text: str) -> int:
    """Reads a size such as `10kb` as bytes; raises ValueError for anything else."""
    if not isinstance(text, str) or not _size.fullmatch(text):
        raise ValueError(f"expected a size such as 10kb or 1mb, got {text!r}")
    number, unit = re.findall(r"([0-9]+)([a-z]+)", text)[0]
    return int(number) * _SIZE_UNITS[unit]


@dataclass(frozen=True, slots=True)
class Rate:
    """So many in each span of time."""

    count: int
    per_ms: int


def parse_rate(text: str) -> Rate:
    """Reads a rate such as `10/s` or `100/5m`; raises ValueError for anything else."""
    match = _rate.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"expected a rate such as 10/s or 100/5m, got {text!r}")
    count, number, unit = match.groups()
    return Rate(int(count), int(number or 1) * _DURATION_UNITS_MS[unit])


def format_rate(rate: Rate) -> str:
    """Writes a rate so that it reads back as the same one."""
    for unit, size_ms in _DURATION_UNITS_MS.items():
        if rate.per_ms % size_ms == 0:
            number = rate.per_ms // size_ms
            return f"{rate.count}/{'' if number == 1 else number}{unit}"
    raise AssertionError(f"{rate} is no whole number of milliseconds")
