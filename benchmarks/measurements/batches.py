"""What it brings to send more in one call: adding jobs, settling and claiming them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

from benchmarks.harness.bench import Bench, Values
from benchmarks.measurements.toril_calls import OWNER, add, now_ms, open_sender
from benchmarks.report.results import Metric
from toril.declarations.job_type import KeepRule
from toril.runtime.calls.settle import settle_and_claim
from toril.runtime.keys import QueueKeys
from toril.runtime.outcomes import Completed
from toril.runtime.sync_sender import SyncSender

BATCHES = (1, 10, 100)
#: So that a round takes a second or two.
CALLS = {1: 1_000, 10: 300, 100: 100}
OPTS = {"attempts": 3, "backoff": {"type": "exponential", "delay": 1000}}
KEEP = KeepRule(count=1_000)


class Batches:
    """Sends one call after the other on one connection; there is no worker."""

    name = "batches"
    title = "Toril's two calls, by the jobs in a call; client and server work in turn"
    metrics = (
        Metric(name="add", title="add", unit="jobs/s", more_is_better=True),
        Metric(name="add_server", title="the server's part in add", unit="us a job"),
        Metric(name="run", title="settle and claim", unit="jobs/s", more_is_better=True),
        Metric(name="run_server", title="the server's part in that", unit="us a job"),
    )
    on_request = False

    def run(self, bench: Bench) -> Iterator[tuple[str, Values]]:
        """Measures each size of a batch."""
        if not bench.find(among=("toril",)):
            return
        for _ in range(bench.rounds):
            for batch in BATCHES:
                with open_sender(bench) as sender:
                    yield f"{batch} a call", self._measure(bench, sender, batch)

    def _measure(self, bench: Bench, sender: SyncSender, batch: int) -> Values:
        keys, jobs = QueueKeys("bull", "bench"), batch * CALLS[batch]
        add_rate, add_us = timed(bench, jobs, partial(add_all, sender, keys, jobs, batch))
        run_rate, run_us = timed(bench, jobs, partial(run_all, sender, keys, jobs, batch))
        return {"add": add_rate, "add_server": add_us, "run": run_rate, "run_server": run_us}


def timed(bench: Bench, jobs: int, work: Callable[[], None]) -> tuple[float, float]:
    """Gives jobs a second, and the server's microseconds a job."""
    cpu_s, start = bench.server.read_cpu_s(), time.perf_counter()
    work()
    took_s = time.perf_counter() - start
    return jobs / took_s, (bench.server.read_cpu_s() - cpu_s) / jobs * 1e6


def add_all(sender: SyncSender, keys: QueueKeys, jobs: int, batch: int) -> None:
    """Adds jobs, so many a call."""
    for first in range(0, jobs, batch):
        sender.send(add(keys, first, batch, opts=OPTS))


def run_all(sender: SyncSender, keys: QueueKeys, jobs: int, batch: int) -> None:
    """Claims jobs and settles them as completed, so many a call."""
    done = 0
    outcomes: list[Completed] = []
    while done < jobs:
        call = settle_and_claim(keys, owner=OWNER, outcomes=outcomes, claim=batch, now_ms=now_ms())
        reply = sender.send(call)
        assert not any(reply.codes)
        done += len(outcomes)
        outcomes = [
            Completed(job.id, b"null", KEEP, job.attempts_started) for job in reply.jobs if job.data
        ]
