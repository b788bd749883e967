"""How fast workers run what is waiting.

The queue is filled, then the workers start. The clock runs from the sample at which a tenth of the
jobs ran, and every process has had some, to the last job: start-up and warming up are not in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.harness.bench import Bench, Metric, Values
from benchmarks.harness.contenders import Contender
from benchmarks.harness.workers import Sample, run_workers

#: A round is sized to take so long, after what the one before showed.
SECONDS = 1.0
FEWEST, MOST = 200, 100_000
WARM = 0.1

METRICS = (
    Metric(name="rate", title="jobs", unit="1/s", more_is_better=True),
    Metric(name="server_cpu", title="server CPU per 10,000 jobs", unit="s"),
    Metric(name="workers_cpu", title="workers' CPU per 10,000 jobs", unit="s"),
    Metric(name="rss", title="RSS of the largest process", unit="MB"),
)


@dataclass(kw_only=True)
class Backlog:
    """Runs the jobs that wait in a queue."""

    name: str
    title: str
    job: str
    concurrency: int
    processes: int = 1
    #: Contenders that take part; all, if it is empty.
    only: tuple[str, ...] = ()
    #: What a contender must be able to do.
    needs: tuple[str, ...] = ()
    #: How the jobs are added, see `fill` in serving.py.
    options: Mapping[str, Any] = field(default_factory=dict)
    #: How many of a contender's no-op jobs a second are to be expected here.
    share: float = 1.0
    metrics: tuple[Metric, ...] = METRICS

    def run(self, bench: Bench) -> Iterator[tuple[str, Values]]:
        """Measures all contenders that can take part."""
        rates: dict[str, float] = {}
        chosen = [one for one in bench.find(*self.needs) if not self.only or one.name in self.only]
        trials = {one.name: lambda one=one: self._measure(bench, one, rates) for one in chosen}
        return bench.take_turns(trials)

    def _measure(self, bench: Bench, contender: Contender, rates: dict[str, float]) -> Values:
        expected = rates.get(contender.name, contender.pace * self.share)
        count = max(FEWEST, min(round(expected * SECONDS), MOST))
        contender.ask("fill", job=self.job, count=count, **self.options)
        with run_workers(
            contender,
            bench.server,
            self.job,
            concurrency=self.concurrency,
            processes=self.processes,
        ) as workers:
            first = workers.wait_for(round(count * WARM), processes=self.processes)
            last = workers.wait_for(count)
            values = {**compare(first, last), "rss": workers.read_rss_mb()[0]}
        rates[contender.name] = values["rate"]
        return values


def compare(first: Sample, last: Sample) -> dict[str, float]:
    """Gives the rate between two samples, and what 10,000 jobs cost."""
    jobs = last.progress.jobs - first.progress.jobs
    return {
        "rate": jobs / (last.progress.at_ns - first.progress.at_ns) * 1e9,
        "server_cpu": (last.server_cpu_s - first.server_cpu_s) / jobs * 10_000,
        "workers_cpu": (last.workers_cpu_s - first.workers_cpu_s) / jobs * 10_000,
    }
