"""RQ: a forked process for each job.

The worker is a program of one's own that imports the jobs before it forks, as RQ's notes on
performance advise; results are not kept. It runs one job at a time, whatever the concurrency.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

from redis import Redis
from rq import Queue, Retry, Worker, get_current_job

from benchmarks.marks import MARKS, mark, mark_pickup
from benchmarks.serving import URL, Adapter


def noop(data: Any) -> None:
    mark()


def sleep(data: Any) -> None:
    time.sleep(0.01)
    mark()


def pickup(data: Any) -> None:
    mark_pickup(data["added_ns"])


def retry(data: Any) -> None:
    mark()
    if not get_current_job().number_of_retries:
        raise RuntimeError("the first attempt fails")


class Rq(Adapter):
    distribution = "rq"
    can = frozenset({"sync", "bulk", "retry"})
    pace = 200

    async def open(self) -> None:
        self._queue = Queue("bench", connection=Redis.from_url(URL))

    def add_blocking(
        self, job: str, data: Any, *, delay_ms: int | None = None, priority: int | None = None
    ) -> None:
        self._queue.enqueue(f"{__name__}.{job}", data, result_ttl=0, retry=choose_retry(job))

    async def add_many(self, job: str, rows: Sequence[Any]) -> None:
        function, retry = f"{__name__}.{job}", choose_retry(job)
        self._queue.enqueue_many(
            [Queue.prepare_data(function, (row,), result_ttl=0, retry=retry) for row in rows]
        )

    def build_workers(self, job: str, concurrency: int, processes: int) -> list[list[str]]:
        return [[sys.executable, "-c", f"from {__name__} import work; work()"]] * processes


def choose_retry(job: str) -> Retry | None:
    return Retry(max=1) if job == "retry" else None


def work() -> None:
    """Runs a worker until the process is killed."""
    # One counter for the worker and all that it forks, which run one after the other.
    MARKS.open()
    Worker(["bench"], connection=Redis.from_url(URL)).work(logging_level="CRITICAL")


ADAPTER = Rq()
