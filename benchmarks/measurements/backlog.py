"""How fast workers run what is waiting.

The queue is filled, then the workers start. The clock runs from the sample at which a tenth of the
jobs ran, and every process has had some, to the last job: start-up and warming up are not in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from benchmarks.harness.bench import Bench, Trial, Values
from benchmarks.harness.contenders import Contender
from benchmarks.harness.workers import Sample, run_workers
from benchmarks.names import PYTHON_PEERS
from benchmarks.report.results import Metric

#: A round is sized to take so long, after what the one before showed.
SECONDS = 0.8
FEWEST, MOST = 200, 100_000
WARM = 0.1
#: A round that ends before its last process begins is tried again with more jobs.
TRIES = 3
#: Runs in processes of its own, one for each slot; so many jobs outlast the start of the last one.
SPREAD, FEWEST_SPREAD = "noop-process", 5_000

RATE = Metric(name="rate", title="jobs", unit="1/s", more_is_better=True)
METRICS = (
    RATE,
    Metric(name="server_cpu", title="server CPU per 10,000 jobs", unit="s"),
    Metric(name="workers_cpu", title="workers' CPU per 10,000 jobs", unit="s"),
    Metric(name="rss", title="RSS of the largest process", unit="MB"),
)


@dataclass(kw_only=True)
class Backlog:
    """Runs the jobs that wait in a queue."""

    name: str
    title: str
    concurrency: int
    processes: int = 1
    #: What is run, by what its row is called beside the contender's name.
    jobs: Mapping[str, str] = field(default_factory=lambda: {"": "noop"})
    #: How often each job runs.
    attempts: int = 1
    #: Contenders that take part; all, if it is empty.
    only: tuple[str, ...] = ()
    #: What a contender must be able to do.
    needs: tuple[str, ...] = ()
    #: How the jobs are added, see `fill` in serving.py.
    options: Mapping[str, Any] = field(default_factory=dict)
    #: How many of a contender's no-op jobs a second are to be expected here, and at most.
    share: float = 1.0
    most: int = MOST
    #: Whether Python's peers take part in the first round only, which saves minutes.
    peers_once: bool = False
    metrics: tuple[Metric, ...] = METRICS
    on_request: bool = False

    def run(self, bench: Bench) -> Iterator[tuple[str, Values]]:
        """Measures all contenders that can take part."""
        rates: dict[str, float] = {}
        trials: dict[str, Trial] = {}
        for one in bench.find(*self.needs, among=self.only):
            for label, job in self.jobs.items():
                row = f"{one.name}, {label}" if label else one.name
                rates[row] = min(one.pace * self.share, self.most)
                trials[row] = partial(self._measure, bench, one, job, row, rates)
        return bench.take_turns(trials, once=PYTHON_PEERS if self.peers_once else ())

    def _measure(
        self, bench: Bench, contender: Contender, job: str, row: str, rates: dict[str, float]
    ) -> Values:
        for _ in range(TRIES):
            values = self._try(bench, contender, job, row, rates)
            if values is not None:
                return values
            # With more, so that the last process comes in time.
            rates[row] *= 2
            bench.empty()
        raise contender.fail(f"ran all jobs of {row!r} before each of its processes had some")

    def _try(
        self, bench: Bench, contender: Contender, job: str, row: str, rates: dict[str, float]
    ) -> Values | None:
        fewest = FEWEST_SPREAD if job == SPREAD else FEWEST
        jobs = max(fewest, min(round(rates[row] * SECONDS), MOST))
        contender.ask("fill", job=job, count=jobs, **self.options)
        runs = jobs * self.attempts
        with run_workers(
            contender,
            bench.server,
            job,
            concurrency=self.concurrency,
            processes=self.processes,
        ) as workers:
            processes = self.processes * (self.concurrency if job == SPREAD else 1)
            first = workers.wait_for(round(runs * WARM), processes=processes, of=runs)
            if first.progress.jobs >= runs:
                return None
            last = workers.wait_for(runs)
            values = {**compare(first, last), "rss": workers.read_rss_mb()[0]}
        rates[row] = values["rate"] / self.attempts
        return values


def compare(first: Sample, last: Sample) -> dict[str, float]:
    """Gives the rate between two samples, and what 10,000 jobs cost."""
    jobs = last.progress.jobs - first.progress.jobs
    return {
        "rate": jobs / (last.progress.at_ns - first.progress.at_ns) * 1e9,
        "server_cpu": (last.server_cpu_s - first.server_cpu_s) / jobs * 10_000,
        "workers_cpu": (last.workers_cpu_s - first.workers_cpu_s) / jobs * 10_000,
    }
