"""Tables of results, as text for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.harness.bench import Measurement, Metric
from benchmarks.harness.contenders import REFERENCE, TORIL
from benchmarks.report.statistics import choose_reference, compute_ratios, summarize

#: What each row gave, by metric, a value a round.
Rows = Mapping[str, Mapping[str, Sequence[float]]]


def format_table(measurement: Measurement, rows: Rows) -> str:
    """Gives a measurement's table: medians, ratios to the reference, least and most."""
    lines = [f"{measurement.name}: {measurement.title}"]
    for metric in measurement.metrics:
        lines += _format_metric(metric, rows)
    return "\n".join(lines)


def _format_metric(metric: Metric, rows: Rows) -> list[str]:
    spreads = {row: summarize(of[metric.name]) for row, of in rows.items() if metric.name in of}
    medians = {row: spread.median for row, spread in spreads.items()}
    reference = choose_reference(
        medians, usual=REFERENCE, own=TORIL, more_is_better=metric.more_is_better
    )
    ratios = compute_ratios(medians, reference)
    lines = [f"  {metric.title}, {metric.unit}"]
    for row, spread in spreads.items():
        ratio = f"{ratios[row]:7.2f}x" if row in ratios else " " * 8
        extremes = f"{format_value(spread.least)}-{format_value(spread.most)}"
        lines.append(f"    {row:20}{format_value(spread.median):>10}{ratio}   {extremes}")
    return lines


def format_value(value: float) -> str:
    """Gives three significant digits, or all digits before the point."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
