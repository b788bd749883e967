"""What waiting jobs take of the server's memory."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks.harness.bench import Bench, Values
from benchmarks.harness.contenders import Contender
from benchmarks.report.results import Metric

SHOWN = 100_000
#: So many are added, and fewer by those who cannot add in bulk; the rest is multiplication.
MANY, FEW = 20_000, 5_000


class Memory:
    """Adds jobs to as many that wait, and asks the server what it uses more than before."""

    name = "memory"
    title = f"Memory of the server per {SHOWN:,} waiting jobs"
    metrics = (Metric(name="memory", title="memory", unit="MB"),)
    on_request = False

    def run(self, bench: Bench) -> Iterator[tuple[str, Values]]:
        """Measures all contenders, once."""
        trials = {one.name: partial(self._measure, bench, one) for one in bench.contenders}
        return bench.take_turns(trials, once=trials)

    def _measure(self, bench: Bench, contender: Contender) -> Values:
        count = MANY if contender.can("bulk") else FEW
        # What is there once for all jobs is there before: a capped stream of events is full then.
        contender.ask("fill", job="noop", count=count)
        before = bench.server.read_used_memory()
        contender.ask("fill", job="noop", count=count)
        grown = bench.server.read_used_memory() - before
        return {"memory": grown / count * SHOWN / 1_000_000}
