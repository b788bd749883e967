"""What a run gave, as `results/latest.json` keeps it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.report.statistics import Spread, summarize

#: By metric, a value a round.
Row = Mapping[str, Sequence[float]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """One column of a measurement's table."""

    name: str
    title: str
    unit: str
    #: Whether more of it is better.
    more_is_better: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """What one measurement gave: a row for each contender, or each way."""

    name: str
    title: str
    metrics: Sequence[Metric]
    rows: Mapping[str, Row]

    def summarize(self, metric: str) -> dict[str, Spread]:
        """Gives a metric's spread for each row that has it."""
        return {row: summarize(of[metric]) for row, of in self.rows.items() if of.get(metric)}

    def find_medians(self, metric: str) -> dict[str, float]:
        """Gives a metric's median for each row that has it."""
        return {row: spread.median for row, spread in self.summarize(metric).items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class Results:
    """A whole run."""

    #: Where and when, and which versions.
    about: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)
    failures: Sequence[str] = ()

    def find_medians(self, table: str, metric: str) -> dict[str, float]:
        """Gives a metric's median for each row; none if it was not measured."""
        return self.tables[table].find_medians(metric) if table in self.tables else {}


def save_results(results: Results, path: Path) -> None:
    """Writes results as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(results), indent=1) + "\n")


def load_results(path: Path) -> Results:
    """Reads results; there are none before the first run."""
    if not path.exists():
        return Results()
    read = json.loads(path.read_text())
    return Results(
        about=read["about"],
        tables={name: _load_table(table) for name, table in read["tables"].items()},
        failures=read["failures"],
    )


def _load_table(read: Mapping[str, Any]) -> Table:
    metrics = [Metric(**metric) for metric in read["metrics"]]
    return Table(name=read["name"], title=read["title"], metrics=metrics, rows=read["rows"])
