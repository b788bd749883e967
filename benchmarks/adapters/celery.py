"""Celery with Redis as its broker, as its page on optimizing advises.

Results are ignored, messages are transient, a worker prefetches more of the short jobs. No-op jobs
run in a prefork pool with a child for each process there is to be; jobs that wait run in a pool of
threads.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import celery
import kombu.pools

from benchmarks.marks import mark, mark_pickup
from benchmarks.serving import URL, Adapter, find_command

app = celery.Celery("bench", broker=URL)
app.conf.update(
    task_ignore_result=True,
    task_default_delivery_mode="transient",
    worker_prefetch_multiplier=64,
    worker_hijack_root_logger=False,
)


@app.task(name="noop")
def noop(data: Any) -> None:
    mark()


@app.task(name="sleep")
def sleep(data: Any) -> None:
    time.sleep(0.01)
    mark()


@app.task(name="pickup")
def pickup(data: Any) -> None:
    mark_pickup(data["added_ns"])


@app.task(name="retry", bind=True, max_retries=1)
def retry(self: Any, data: Any) -> None:
    mark()
    if self.request.retries == 0:
        raise self.retry(countdown=0)


JOBS = {task.name: task for task in (noop, sleep, pickup, retry)}


class Celery(Adapter):
    distribution = "celery"
    can = frozenset({"sync", "retry", "delay"})
    pace = 900

    async def reset(self) -> None:
        # Connections remember that the queue is bound, which is no longer so.
        app.close()
        kombu.pools.reset()
        app.amqp._producer_pool = None

    def add_blocking(
        self, job: str, data: Any, *, delay_ms: int | None = None, priority: int | None = None
    ) -> None:
        eta = None
        if delay_ms is not None:
            eta = datetime.now(UTC) + timedelta(milliseconds=delay_ms)
        JOBS[job].apply_async((data,), eta=eta)

    def build_workers(self, job: str, concurrency: int, processes: int) -> list[list[str]]:
        pool = ("threads", concurrency) if job == "sleep" else ("prefork", processes)
        command = [find_command("celery"), "--app", __name__, "worker", "--loglevel", "ERROR"]
        command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        return [[*command, "--pool", pool[0], "--concurrency", str(pool[1])]]


ADAPTER = Celery()
