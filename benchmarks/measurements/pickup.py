"""How long a job is on its way when no other is: from the call that adds it to its first line."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from functools import partial

from benchmarks.harness.bench import Bench, Values
from benchmarks.harness.contenders import Contender
from benchmarks.harness.workers import run_workers
from benchmarks.report.results import Metric
from benchmarks.report.statistics import find_percentile

WARM_UP = 20
JOBS = 100
#: From half to one and a half of it, in which the queue is idle.
PAUSE_S = 0.01
PERCENTILES = (50, 95, 99)


class Pickup:
    """Adds jobs one by one to an idle queue."""

    name = "pickup"
    title = "Pickup: from the call that adds a job to the job's first line, on an idle queue"
    metrics = tuple(
        Metric(name=f"p{percent}", title=f"p{percent}", unit="ms") for percent in PERCENTILES
    )
    on_request = False

    def run(self, bench: Bench) -> Iterator[tuple[str, Values]]:
        """Measures all contenders."""
        return bench.take_turns(
            {one.name: partial(self._measure, bench, one) for one in bench.contenders}
        )

    def _measure(self, bench: Bench, contender: Contender) -> Values:
        picked = random.Random(1)
        with run_workers(contender, bench.server, "pickup", concurrency=50) as workers:
            contender.ask("fill", job="noop", count=WARM_UP)
            workers.wait_for(WARM_UP)
            for number in range(JOBS):
                time.sleep(PAUSE_S * picked.uniform(0.5, 1.5))
                contender.ask("add_pickup")
                workers.wait_for(WARM_UP + number + 1)
            times = workers.read_pickups_ms()
        return {f"p{percent}": find_percentile(times, percent) for percent in PERCENTILES}
