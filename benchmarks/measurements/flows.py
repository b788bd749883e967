"""How fast flows go from start to end: one job that waits for ten others."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks.harness.bench import Bench, Trial, Values
from benchmarks.harness.contenders import Contender
from benchmarks.harness.workers import run_workers
from benchmarks.report.results import Metric

WARM_UP = 20
FLOWS = 500
CHILDREN = 10
AT_ONCE = 20


class Flows:
    """Starts flows, twenty at once, while a worker runs their jobs."""

    name = "flows"
    title = "Flows of 1+10 jobs, from the first start to the last end, the worker up and warm"
    metrics = (Metric(name="rate", title="flows", unit="1/s", more_is_better=True),)
    on_request = False

    def run(self, bench: Bench) -> Iterator[tuple[str, Values]]:
        """Measures the contenders that know flows."""
        trials: dict[str, Trial] = {
            one.name: partial(self._measure, bench, one, declared=False)
            for one in bench.find("flow")
        }
        for one in bench.find("declared-flow"):
            trials[f"{one.name}, declared in YAML"] = partial(
                self._measure, bench, one, declared=True
            )
        return bench.take_turns(trials)

    def _measure(self, bench: Bench, contender: Contender, *, declared: bool) -> Values:
        with run_workers(contender, bench.server, "parent", concurrency=50) as workers:
            # Only parents count themselves.
            self._start(contender, WARM_UP, declared=declared)
            workers.wait_for(WARM_UP)
            start_ns = self._start(contender, FLOWS, declared=declared)
            last = workers.wait_for(WARM_UP + FLOWS)
        return {"rate": FLOWS / (last.progress.at_ns - start_ns) * 1e9}

    def _start(self, contender: Contender, count: int, *, declared: bool) -> int:
        started = contender.ask(
            "start_flows", count=count, children=CHILDREN, at_once=AT_ONCE, declared=declared
        )
        return int(started["start_ns"])
