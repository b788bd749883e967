from __future__ import annotations

from pathlib import Path

from benchmarks.report.page import FIGURES, LATEST, PAGE, draw_figures, fill_page
from benchmarks.report.results import Metric, Results, Table, load_results, save_results

RSS = Metric(name="rss", title="RSS", unit="MB")
TABLE = Table(
    name="noop-50", title="No-op jobs", metrics=[RSS], rows={"toril": {"rss": [58.2, 57.1, 60.4]}}
)


def test_a_block_is_filled_from_the_results_and_nothing_else_changes() -> None:
    page = "before\n<!-- measured: noop-50 -->\nold\n<!-- end -->\nafter\n"

    filled = fill_page(page, Results(tables={"noop-50": TABLE}))

    assert filled.startswith("before\n<!-- measured: noop-50 -->\nNo-op jobs.")
    assert "| Toril | **58.2** (57.1-60.4) |" in filled
    assert filled.endswith("<!-- end -->\nafter\n")
    assert "old" not in filled


def test_results_come_back_from_their_file(tmp_path: Path) -> None:
    results = Results(about={"date": "2026-11-25"}, tables={"noop-50": TABLE}, failures=["rq: no"])

    save_results(results, tmp_path / "latest.json")

    assert load_results(tmp_path / "latest.json") == results


def test_the_page_and_its_figures_say_what_the_results_say() -> None:
    results = load_results(LATEST)

    assert fill_page(PAGE.read_text(), results) == PAGE.read_text()
    drawn = {path.name: path.read_text() for path in FIGURES.glob("*.svg")}
    assert drawn == draw_figures(results)
