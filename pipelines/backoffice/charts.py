"""Line charts as SVG text, for the report; colours are classes that the style sheet fills in."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from itertools import pairwise

MARGIN_LEFT, MARGIN_RIGHT, MARGIN_TOP, MARGIN_BOTTOM = 56, 62, 10, 24
#: Labels at the ends of lines keep this distance.
LABEL_HEIGHT = 15
TIME_LABEL_WIDTH = 34
DAYS_IN_QUARTER = 91

Scale = Callable[[float], float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One line of a chart."""

    #: Written at the line's end; empty writes nothing.
    label: str
    #: Class name of its colour in the style sheet.
    color: str
    #: ISO date and value, oldest first.
    points: Sequence[tuple[str, float]]


def draw_lines(
    lines: Sequence[Line],
    *,
    title: str,
    width: int = 960,
    height: int = 320,
    from_zero: bool = False,
    logarithmic: bool = False,
) -> str:
    """Draws lines over time as one SVG element; `title` is read out by screen readers."""
    days = [_day(when) for line in lines for when, _ in line.points]
    values = [value for line in lines for _, value in line.points]
    ticks = (_log_ticks if logarithmic else _ticks)(0.0 if from_zero else min(values), max(values))
    bottom, right = height - MARGIN_BOTTOM, width - MARGIN_RIGHT
    x = _linear_scale(min(days), max(days), MARGIN_LEFT, right)
    y = (_log_scale if logarithmic else _linear_scale)(ticks[0], ticks[-1], bottom, MARGIN_TOP)
    parts = [
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">',
        *_draw_value_axis(ticks, y, right),
        *_draw_time_axis(min(days), max(days), x, bottom),
        *(_draw_line(line, x, y) for line in lines),
        *_draw_labels(lines, y, right),
        "</svg>",
    ]
    return "\n".join(parts)


def _draw_value_axis(ticks: Sequence[float], y: Scale, right: int) -> Iterator[str]:
    for tick in ticks:
        yield f'<path class="grid" d="M{MARGIN_LEFT} {y(tick):.1f}H{right}"/>'
        yield (
            f'<text class="tick" x="{MARGIN_LEFT - 8}" y="{y(tick) + 4:.1f}" '
            f'text-anchor="end">{tick:,.10g}</text>'
        )


def _draw_time_axis(first: int, last: int, x: Scale, bottom: int) -> Iterator[str]:
    """Marks years, or quarters where there is room; a January bears its year."""
    starts = [
        date(year, month, 1)
        for year in range(date.fromordinal(first).year, date.fromordinal(last).year + 1)
        for month in (1, 4, 7, 10)
    ]
    inside = [start for start in starts if first <= start.toordinal() <= last]
    room = x(first + DAYS_IN_QUARTER) - x(first)
    step = next(n for n in (1, 4, 8, 16, len(inside)) if n * room >= TIME_LABEL_WIDTH)
    for start in (start for start in inside if starts.index(start) % step == 0):
        at, text = x(start.toordinal()), f"{start:%Y}" if start.month == 1 else f"{start:%b}"
        yield f'<path class="grid" d="M{at:.1f} {bottom}v5"/>'
        yield (
            f'<text class="tick" x="{at:.1f}" y="{bottom + 19}" text-anchor="middle">{text}</text>'
        )


def _draw_line(line: Line, x: Scale, y: Scale) -> str:
    path = "L".join(f"{x(_day(when)):.1f} {y(value):.1f}" for when, value in line.points)
    return f'<path class="line {line.color}" d="M{path}"/>'


def _draw_labels(lines: Sequence[Line], y: Scale, right: int) -> Iterator[str]:
    """Writes each line's name at its end, pushed down where two would overlap."""
    labelled = sorted(
        (line for line in lines if line.label), key=lambda line: y(line.points[-1][1])
    )
    free = -math.inf
    for line in labelled:
        at = max(y(line.points[-1][1]) + 4, free)
        free = at + LABEL_HEIGHT
        yield (
            f'<text class="label {line.color}" x="{right + 7}" y="{at:.1f}">'
            f"{escape(line.label)}</text>"
        )


def _linear_scale(low: float, high: float, start: float, end: float) -> Scale:
    return lambda value: start + (value - low) / (high - low) * (end - start)


def _log_scale(low: float, high: float, start: float, end: float) -> Scale:
    linear = _linear_scale(math.log(low), math.log(high), start, end)
    return lambda value: linear(math.log(value))


def _ticks(lowest: float, highest: float) -> list[float]:
    """Gives a few round numbers at equal steps that surround the values."""
    power = 10.0 ** math.floor(math.log10(highest - lowest))
    step = next(s for s in (power / 5, power / 2, power, power * 2) if highest - lowest <= 6 * s)
    first, last = math.floor(lowest / step), math.ceil(highest / step)
    return [step * i for i in range(first, last + 1)]


def _log_ticks(lowest: float, highest: float) -> list[float]:
    """Gives the ones, twos and fives of each power of ten that surround the values."""
    powers = range(math.floor(math.log10(lowest)), math.ceil(math.log10(highest)) + 1)
    steps = [base * 10.0**power for power in powers for base in (1, 2, 5)]
    inside = [low for low, high in pairwise(steps) if high > lowest and low < highest]
    return [*inside, next(step for step in steps if step >= highest)]


def _day(iso_date: str) -> int:
    return date.fromisoformat(iso_date).toordinal()
