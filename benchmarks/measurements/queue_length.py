"""What a call costs the server when the queue is long."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.harness.bench import Bench, Values
from benchmarks.measurements.toril_calls import (
    OWNER,
    add,
    measure_calls_ms,
    name_job,
    now_ms,
    open_sender,
    seed,
)
from benchmarks.report.results import Metric
from toril.declarations.job_type import KeepRule
from toril.runtime.calls.jobs import list_jobs, read_state, remove_job
from toril.runtime.calls.queues import read_counts
from toril.runtime.calls.settle import settle_and_claim
from toril.runtime.keys import QueueKeys
from toril.runtime.outcomes import Completed
from toril.runtime.states import JobState
from toril.runtime.sync_sender import SyncSender

LENGTHS = (1_000, 100_000, 1_000_000)
#: Few enough that the calls of five rounds do not eat up the shortest queue.
TIMES = 50
FAR_MS = 10 * 365 * 86_400_000


class QueueLength:
    """Sends each call to queues of several lengths, the shortest first."""

    name = "length"
    title = "The server's processor time for a call of Toril's, by the number of waiting jobs"
    metrics = tuple(
        Metric(name=str(length), title=f"{length:,} jobs", unit="ms") for length in LENGTHS
    )
    on_request = False

    def run(self, bench: Bench) -> Iterator[tuple[str, Values]]:
        """Measures all calls at every length, once a round; the queues are filled once."""
        if not bench.find(among=("toril",)):
            return
        with open_sender(bench) as sender:
            calls = {length: self._prepare(sender, length) for length in LENGTHS}
            for _ in range(bench.rounds):
                for name in calls[LENGTHS[0]]:
                    builds = {str(length): calls[length][name] for length in LENGTHS}
                    yield name, measure_calls_ms(bench, sender, builds, TIMES)

    def _prepare(self, sender: SyncSender, length: int) -> dict[str, Callable[[], Any]]:
        keys = QueueKeys("bull", f"bench-{length}")
        seed(sender, keys, length)
        sender.send(add(keys, 2 * length, 100, delay_ms=FAR_MS))
        sender.send(add(keys, 3 * length, 100, priority=5))
        return build_calls(sender, keys, length)


def build_calls(sender: SyncSender, keys: QueueKeys, length: int) -> dict[str, Callable[[], Any]]:
    """Gives what builds each call, on another job every time."""
    numbers = itertools.count(4 * length)
    # Behind those that are claimed, ahead of the one whose state is asked.
    middle = itertools.count(length // 2)

    def claim_one() -> Any:
        return settle_and_claim(keys, owner=OWNER, claim=1, now_ms=now_ms())

    def settle_one() -> Any:
        [job] = sender.send(claim_one()).jobs
        done = Completed(job.id, b"1", KeepRule(count=10))
        return settle_and_claim(keys, owner=OWNER, outcomes=[done], now_ms=now_ms())

    return {
        "add": lambda: add(keys, next(numbers)),
        "add delayed": lambda: add(keys, next(numbers), delay_ms=FAR_MS),
        "add with a priority": lambda: add(keys, next(numbers), priority=5),
        "claim": claim_one,
        "claim, then settle": settle_one,
        "counts": lambda: read_counts(keys),
        "newest 50 waiting": lambda: list_jobs(keys, JobState.WAITING),
        "state of a job in the middle": lambda: read_state(keys, name_job(length * 3 // 4)),
        "remove a job in the middle": lambda: remove_job(keys, name_job(next(middle))),
    }
