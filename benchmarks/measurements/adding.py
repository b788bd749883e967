"""How fast one process adds jobs, each way that a contender has."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks.harness.bench import Bench, Values
from benchmarks.harness.contenders import Contender
from benchmarks.report.results import Metric

SECONDS = 0.5
#: A way, its title, and the feature it takes.
WAYS = {
    "async": ("one at a time, async", "async"),
    "sync": ("one at a time, sync", "sync"),
    "concurrent": ("100 at once", "async"),
    "bulk": ("in bulk of 1,000", "bulk"),
}


class Adding:
    """Adds no-op jobs that nobody runs."""

    name = "add"
    title = "Jobs that one process adds to a queue nobody works"
    metrics = tuple(
        Metric(name=way, title=title, unit="1/s", more_is_better=True)
        for way, (title, _) in WAYS.items()
    )

    on_request = False

    def run(self, bench: Bench) -> Iterator[tuple[str, Values]]:
        """Measures all contenders."""
        trials = {one.name: partial(self._measure, bench, one) for one in bench.contenders}
        return bench.take_turns(trials)

    def _measure(self, bench: Bench, contender: Contender) -> Values:
        values = {}
        for way, (_, feature) in WAYS.items():
            if contender.can(feature):
                bench.empty()
                added = contender.ask("time_adds", way=way, seconds=SECONDS)
                values[way] = added["count"] / added["seconds"]
        return values
