"""Bar charts as SVG: pure functions from results to text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from benchmarks.names import TORIL, make_title
from benchmarks.report.results import Metric, Table
from benchmarks.report.statistics import Spread
from benchmarks.report.tables import format_value

WIDTH, LABELS, VALUES = 760, 230, 90
TOP, BAR, GAP, BOTTOM = 56, 18, 8, 12
OWN, OTHER, WHISKER, TEXT, PAPER = "#b3261e", "#8a9bb0", "#333333", "#222222", "#ffffff"
FONT = "font-family='system-ui, sans-serif'"


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """One metric of one measurement, drawn."""

    file: str
    table: str
    metric: str


CHARTS = (
    Chart(file="noop-1.svg", table="noop-1", metric="rate"),
    Chart(file="noop-50.svg", table="noop-50", metric="rate"),
    Chart(file="noop-50-twice.svg", table="noop-50-twice", metric="rate"),
    Chart(file="server-cpu.svg", table="noop-50", metric="server_cpu"),
    Chart(file="io.svg", table="io", metric="rate"),
    Chart(file="pickup.svg", table="pickup", metric="p50"),
    Chart(file="add-concurrent.svg", table="add", metric="concurrent"),
    Chart(file="add-bulk.svg", table="add", metric="bulk"),
    Chart(file="flows.svg", table="flows", metric="rate"),
    Chart(file="memory.svg", table="memory", metric="memory"),
)


def draw_chart(table: Table, metric: Metric) -> str:
    """Draws a bar for each row, the best on top, with a line from the least to the most."""
    spreads = sorted(
        table.summarize(metric.name).items(),
        key=lambda pair: pair[1].median,
        reverse=metric.more_is_better,
    )
    largest = max((spread.most for _, spread in spreads), default=0) or 1
    height = TOP + len(spreads) * (BAR + GAP) + BOTTOM
    better = "more is better" if metric.more_is_better else "less is better"
    unit = f", {metric.unit}" if metric.unit else ""
    lines = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' {FONT}>",
        f"<rect width='{WIDTH}' height='{height}' rx='6' fill='{PAPER}'/>",
        _draw_text(16, 24, table.title, size=15),
        _draw_text(16, 43, f"{metric.title}{unit}; {better}", size=12),
    ]
    for number, (row, spread) in enumerate(spreads):
        y = TOP + number * (BAR + GAP)
        lines += _draw_bar(row, spread, y, (WIDTH - LABELS - VALUES) / largest)
    return "\n".join([*lines, "</svg>"]) + "\n"


def _draw_bar(row: str, spread: Spread, y: int, scale: float) -> Sequence[str]:
    color = OWN if row.split(",")[0] == TORIL else OTHER
    length, middle = spread.median * scale, y + BAR / 2
    least, most = (LABELS + value * scale for value in (spread.least, spread.most))
    return [
        _draw_text(LABELS - 8, y + 13, make_title(row), size=12, anchor="end"),
        f"<rect x='{LABELS}' y='{y}' width='{length:.1f}' height='{BAR}' fill='{color}'/>",
        f"<path d='M{least:.1f} {middle}H{most:.1f}' stroke='{WHISKER}' stroke-width='1.5'/>",
        _draw_text(max(most, LABELS + length) + 6, y + 13, format_value(spread.median), size=12),
    ]


def _draw_text(x: float, y: float, text: str, *, size: int, anchor: str = "start") -> str:
    return (
        f"<text x='{x:.1f}' y='{y}' font-size='{size}' fill='{TEXT}' text-anchor='{anchor}'>"
        f"{escape(text)}</text>"
    )
