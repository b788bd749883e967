"""Tables of results, for a terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from benchmarks.names import make_title
from benchmarks.report.results import Metric, Results, Table
from benchmarks.report.statistics import Spread, choose_reference, compute_ratios

#: What the overview shows: a measurement, one of its metrics, the column's title.
OVERVIEW = (
    ("add", "async", "add one, async"),
    ("add", "sync", "add one, sync"),
    ("add", "concurrent", "add, 100 at once"),
    ("add", "bulk", "add in bulk"),
    ("noop-50", "rate", "no-op, 1 process"),
    ("noop-50-twice", "rate", "no-op, 2 processes"),
    ("io", "rate", "I/O 10 ms, c=100"),
    ("pickup", "p50", "pickup p50, ms"),
    ("pickup", "p99", "pickup p99, ms"),
    ("noop-50", "server_cpu", "server CPU, s per 10,000"),
    ("noop-50", "rss", "worker RSS, MB"),
    ("memory", "memory", "server MB per 100,000"),
)


def format_text(table: Table) -> str:
    """Gives a measurement's table for a terminal: medians, ratios, least and most."""
    lines = [f"{table.name}: {table.title}"]
    for metric in table.metrics:
        spreads = table.summarize(metric.name)
        if not spreads:
            continue
        ratios = find_ratios(table, metric)
        width = max(map(len, spreads)) + 2
        lines.append(f"  {metric.title}, {metric.unit}" if metric.unit else f"  {metric.title}")
        for row, spread in spreads.items():
            ratio = f"{ratios[row]:7.2f}x" if row in ratios else ""
            median, extremes = format_value(spread.median), format_extremes(spread)
            lines.append(f"    {row:{width}}{median:>10}{ratio:>8}   {extremes}")
    return "\n".join(lines)


def format_markdown(table: Table) -> str:
    """Gives a measurement's table in Markdown, a column for each metric."""
    metrics = [metric for metric in table.metrics if table.summarize(metric.name)]
    heads = [
        f"{metric.title}, {metric.unit}" if metric.unit else metric.title for metric in metrics
    ]
    rows = [
        [make_title(row), *(_format_cell(table, metric, row) for metric in metrics)]
        for row in table.rows
    ]
    return f"{table.title}.\n\n{join_table(['', *heads], rows)}"


def _format_cell(table: Table, metric: Metric, row: str) -> str:
    spreads = table.summarize(metric.name)
    if row not in spreads:
        return ""
    spread, ratios = spreads[row], find_ratios(table, metric)
    ratio = f", {ratios[row]:.2f}x" if row in ratios and len(ratios) > 1 else ""
    extremes = f" ({format_extremes(spread)})" if spread.least != spread.most else ""
    return f"**{format_value(spread.median)}**{ratio}{extremes}"


def format_overview(results: Results) -> str:
    """Gives the medians that one looks for first, a row for each contender."""
    columns = [results.find_medians(table, metric) for table, metric, _ in OVERVIEW]
    names = dict.fromkeys(row for column in columns for row in column)
    rows = [
        [make_title(name), *(format_value(of[name]) if name in of else "" for of in columns)]
        for name in names
    ]
    return join_table(["", *(title for *_, title in OVERVIEW)], rows)


def find_ratios(table: Table, metric: Metric) -> Mapping[str, float]:
    """Gives each row's ratio to BullMQ for Node, or to the best other peer."""
    medians = table.find_medians(metric.name)
    reference = choose_reference(medians, more_is_better=metric.more_is_better)
    return compute_ratios(medians, reference)


def join_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Gives a table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |".replace("|  |", "| |") for cells in lines)


def format_extremes(spread: Spread) -> str:
    """Gives the least and the most."""
    return f"{format_value(spread.least)}-{format_value(spread.most)}"


def format_value(value: float) -> str:
    """Gives three significant digits, or all that stand before the point."""
    if abs(value) >= 100 or value == 0:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3f}"
