"""What emptying a queue of a million jobs costs: no call may hold the server up.

The longest call is told twice: by the clock (SLOWLOG), which on a machine with other work holds
time in which the server waited for a processor, and by the processor time that it had meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.harness.bench import Bench, Values
from benchmarks.harness.server import Server
from benchmarks.measurements.toril_calls import CHUNK, now_ms, open_sender, seed
from benchmarks.report.results import Metric
from toril.runtime.keys import QueueKeys
from toril.runtime.removal import clean, drain, obliterate
from toril.runtime.states import JobState
from toril.runtime.steps import Steps, walk_sync
from toril.runtime.sync_sender import SyncSender

JOBS = 1_000_000
#: No call may hold the server for longer.
BOUND_MS = 50
#: Longer calls are looked at one by one.
SLOW_MS = 5


class Emptying:
    """Drains, cleans and obliterates."""

    name = "emptying"
    title = f"Emptying a queue of {JOBS:,} jobs with Toril"
    metrics = (
        Metric(name="seconds", title="in all", unit="s"),
        Metric(name="mean", title="processor time of a call", unit="ms"),
        Metric(name="longest", title="longest call by the clock, if over 5 ms", unit="ms"),
        Metric(name="busiest", title="longest call by processor time", unit="ms"),
        Metric(name="over", title=f"calls over {BOUND_MS} ms of processor time", unit=""),
    )
    on_request = True

    def run(self, bench: Bench) -> Iterator[tuple[str, Values]]:
        """Measures each way once; the first has the queue as it was filled."""
        keys = QueueKeys("bull", "bench")
        ways: dict[str, tuple[Callable[..., None], Callable[[], Steps[Any]]]] = {
            "drain": (seed, lambda: drain(keys, delayed=True)),
            "clean completed": (
                seed_finished,
                lambda: clean(keys, JobState.COMPLETED, latest_ms=now_ms()),
            ),
            "clean waiting, all too new": (
                seed,
                lambda: clean(keys, JobState.WAITING, latest_ms=0),
            ),
            "obliterate": (seed, lambda: obliterate(keys, force=True)),
        }
        for name, (prepare, build) in ways.items():
            with open_sender(bench) as sender:
                prepare(sender, keys, JOBS)
                yield name, measure(sender, bench.server, build())


def seed_finished(sender: SyncSender, keys: QueueKeys, jobs: int) -> None:
    """Adds completed jobs, moved there behind the scripts' back: to run them takes too long."""
    seed(sender, keys, jobs)
    redis: Any = sender.redis
    for first in range(0, jobs, CHUNK):
        ids = redis.lrange(keys.wait, first, first + CHUNK - 1)
        redis.zadd(keys.completed, dict.fromkeys(ids, now_ms()))
        pipeline = redis.pipeline(transaction=False)
        for job_id in ids:
            pipeline.hset(keys.job(job_id.decode()), "finishedOn", now_ms())
        pipeline.execute()
    redis.delete(keys.wait)


def measure(sender: SyncSender, server: Server, steps: Steps[Any]) -> Values:
    """Sends all calls of an operation."""
    redis = sender.redis
    redis.config_set("slowlog-log-slower-than", SLOW_MS * 1000)
    redis.config_set("slowlog-max-len", 100_000)
    redis.slowlog_reset()
    busy_ms: list[float] = []

    def send(call: Any) -> Any:
        before_s = server.read_cpu_s()
        reply = sender.send(call)
        busy_ms.append((server.read_cpu_s() - before_s) * 1000)
        return reply

    start = time.perf_counter()
    walk_sync(steps, send)
    took_s = time.perf_counter() - start
    slow_ms = [entry["duration"] / 1000 for entry in redis.slowlog_get(100_000)]
    values = {
        "seconds": took_s,
        "mean": sum(busy_ms) / len(busy_ms),
        "busiest": max(busy_ms),
        "over": sum(one > BOUND_MS for one in busy_ms),
    }
    return {**values, "longest": max(slow_ms)} if slow_ms else values
