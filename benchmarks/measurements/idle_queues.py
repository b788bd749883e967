"""What a worker process with a thousand idle queues costs."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from functools import partial

from benchmarks.harness.bench import Bench, Trial, Values
from benchmarks.harness.contenders import Contender
from benchmarks.harness.server import Server
from benchmarks.harness.workers import run_commands
from benchmarks.report.results import Metric

QUEUES = 1_000
#: So long the number of connections must have stayed before the clock starts: none of the processes
#: is still starting then.
SETTLED_S = 6.0
PATIENCE_S = 60.0
#: A sweep for stalled jobs comes every half minute, Node's too.
WATCHED_S = 30.0


class IdleQueues:
    """Watches workers that have nothing to do."""

    name = "idle-queues"
    title = f"{QUEUES:,} idle queues in one runner, watched for {WATCHED_S:.0f} s"
    metrics = (
        Metric(name="cpu", title="CPU of all its processes", unit="% of a core"),
        Metric(name="server_cpu", title="CPU of the server", unit="% of a core"),
        Metric(name="connections", title="connections", unit=""),
        Metric(name="rss", title="RSS of all its processes", unit="MB"),
    )
    on_request = False

    def run(self, bench: Bench) -> Iterator[tuple[str, Values]]:
        """Measures the contenders that can have so many queues, once."""
        trials: dict[str, Trial] = {}
        for one in bench.find("many-queues"):
            trials[one.name] = partial(self._measure, bench, one, announced=True)
            if one.can("unannounced"):
                trials[f"{one.name}, workers not announced"] = partial(
                    self._measure, bench, one, announced=False
                )
        return bench.take_turns(trials, once=trials)

    def _measure(self, bench: Bench, contender: Contender, *, announced: bool) -> Values:
        # The server takes a moment to notice that the workers of the row before are gone.
        before = wait_until_steady(bench.server, for_s=1)
        with tempfile.TemporaryDirectory(prefix="toril-bench-") as folder:
            commands = contender.ask(
                "build_idle_workers", queues=QUEUES, folder=folder, announced=announced
            )
            with run_commands(contender, bench.server, commands, concurrency=1) as workers:
                wait_until_steady(bench.server, for_s=SETTLED_S, but_not=before)
                start, first = time.monotonic(), workers.sample()
                time.sleep(WATCHED_S)
                took_s, last = time.monotonic() - start, workers.sample()
                connections = bench.server.count_clients() - before
                rss = sum(workers.read_rss_mb())
        return {
            "cpu": (last.workers_cpu_s - first.workers_cpu_s) / took_s * 100,
            "server_cpu": (last.server_cpu_s - first.server_cpu_s) / took_s * 100,
            "connections": connections,
            "rss": rss,
        }


def wait_until_steady(server: Server, *, for_s: float, but_not: int = -1) -> int:
    """Waits until the server has had as many connections for so long, and gives their number."""
    deadline = time.monotonic() + PATIENCE_S
    count, since = server.count_clients(), time.monotonic()
    while (count == but_not or time.monotonic() - since < for_s) and time.monotonic() < deadline:
        time.sleep(0.1)
        if (now := server.count_clients()) != count:
            count, since = now, time.monotonic()
    return count
