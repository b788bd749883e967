"""Writes what was measured into `docs/performance.md`, between its markers, and its figures."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.report.charts import CHARTS, draw_chart
from benchmarks.report.results import Results
from benchmarks.report.tables import format_markdown, format_overview, join_table
from benchmarks.report.targets import format_targets

ROOT = Path(__file__).parents[2]
LATEST = ROOT / "benchmarks" / "results" / "latest.json"
PAGE = ROOT / "docs" / "performance.md"
FIGURES = ROOT / "docs" / "performance"
BLOCK = re.compile(r"(<!-- measured: (?P<name>\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
NOT_MEASURED = "Not measured yet."


def write_page(results: Results) -> None:
    """Writes the page and its figures."""
    PAGE.write_text(fill_page(PAGE.read_text(), results))
    FIGURES.mkdir(exist_ok=True)
    for file, figure in draw_figures(results).items():
        (FIGURES / file).write_text(figure)


def fill_page(text: str, results: Results) -> str:
    """Fills every marked block of a page."""
    return BLOCK.sub(
        lambda found: f"{found[1]}{_format_block(found['name'], results)}\n{found[3]}", text
    )


def draw_figures(results: Results) -> dict[str, str]:
    """Draws every figure whose measurement was made, by the name of its file."""
    drawn = {}
    for chart in CHARTS:
        table = results.tables.get(chart.table)
        if table is not None:
            [metric] = [one for one in table.metrics if one.name == chart.metric]
            drawn[chart.file] = draw_chart(table, metric)
    return drawn


def _format_block(name: str, results: Results) -> str:
    if not results.tables:
        return NOT_MEASURED
    if name == "about":
        return join_table(["", ""], results.about.items())
    if name == "overview":
        return format_overview(results)
    if name == "targets":
        return format_targets(results)
    table = results.tables.get(name)
    if table is None:
        return NOT_MEASURED
    figures = [chart.file for chart in CHARTS if chart.table == name]
    images = [f"![{table.title}](performance/{file})" for file in figures]
    return "\n\n".join([format_markdown(table), *images])
