"""What the measurements of single calls share: jobs as calls take them, what one costs.

No processor runs here, and one connection sends the next call when the last one is answered. What a
call costs is the processor time that the server had meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from statistics import median
from typing import Any

from benchmarks.harness.bench import Bench
from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.claim import Owner
from toril.runtime.connection import connect_sync
from toril.runtime.job import NewJob
from toril.runtime.keys import QueueKeys
from toril.runtime.sync_sender import SyncSender

CHUNK = 1_000
DATA = b'{"user_id":"u-12345","amount":10.5,"symbols":["AAPL","MSFT"]}'
OWNER = Owner("4f1c0d5e-0000-4000-8000-000000000001", 30_000, "bench")


@contextmanager
def open_sender(bench: Bench) -> Iterator[SyncSender]:
    """Gives a sender on an empty server."""
    bench.empty()
    redis = connect_sync(bench.server.url)
    try:
        yield SyncSender(redis)
    finally:
        redis.close()
        bench.empty()


def name_job(number: int) -> str:
    """Gives the id of the job of a number."""
    return f"00000000-job-{number:012d}"


def add(keys: QueueKeys, first: int, count: int = 1, **more: Any) -> Any:
    """Builds the call that adds jobs of consecutive numbers."""
    jobs = [
        NewJob(
            queue=keys.queue,
            id=name_job(number),
            name="sync",
            data=DATA,
            timestamp_ms=now_ms(),
            **more,
        )
        for number in range(first, first + count)
    ]
    return add_jobs(keys.prefix, jobs, now_ms=now_ms())


def seed(sender: SyncSender, keys: QueueKeys, jobs: int) -> None:
    """Adds so many jobs."""
    for first in range(0, jobs, CHUNK):
        sender.send(add(keys, first, min(CHUNK, jobs - first)))


def measure_calls_ms(
    bench: Bench, sender: SyncSender, builds: Mapping[str, Callable[[], Any]], times: int
) -> dict[str, float]:
    """Gives the processor time that the server had for each call, the median of so many.

    The calls take turns, so that a noisy second hits all alike.
    """
    took_s: dict[str, list[float]] = {name: [] for name in builds}
    for _ in range(times):
        for name, build in builds.items():
            before_s = bench.server.read_cpu_s()
            sender.send(build())
            took_s[name].append(bench.server.read_cpu_s() - before_s)
    return {name: median(each) * 1000 for name, each in took_s.items()}


def now_ms() -> int:
    """Gives the wall time."""
    return time.time_ns() // 1_000_000
