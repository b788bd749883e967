"""dramatiq: threads, JSON jobs that a worker prefetches.

The middleware that nothing here needs is left out, as are logs.
"""

from __future__ import annotations

import time
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import CurrentMessage, Retries

from benchmarks.marks import mark, mark_pickup
from benchmarks.serving import URL, Adapter, find_command

broker = RedisBroker(url=URL, middleware=[Retries(), CurrentMessage()])
dramatiq.set_broker(broker)


@dramatiq.actor(max_retries=0)
def noop(data: Any) -> None:
    mark()


@dramatiq.actor(max_retries=0)
def sleep(data: Any) -> None:
    time.sleep(0.01)
    mark()


@dramatiq.actor(max_retries=0)
def pickup(data: Any) -> None:
    mark_pickup(data["added_ns"])


@dramatiq.actor(max_retries=1, min_backoff=1)
def retry(data: Any) -> None:
    mark()
    if not CurrentMessage.get_current_message().options.get("retries"):
        raise RuntimeError("the first attempt fails")


JOBS = {"noop": noop, "sleep": sleep, "pickup": pickup, "retry": retry}


class Dramatiq(Adapter):
    distribution = "dramatiq"
    can = frozenset({"sync", "retry", "delay"})
    pace = 3_500

    def add_blocking(
        self, job: str, data: Any, *, delay_ms: int | None = None, priority: int | None = None
    ) -> None:
        JOBS[job].send_with_options(args=(data,), delay=delay_ms)

    def build_workers(self, job: str, concurrency: int, processes: int) -> list[list[str]]:
        # More threads than eight only help jobs that wait.
        threads = concurrency if job == "sleep" else min(concurrency, 8)
        command = [find_command("dramatiq"), __name__, "--skip-logging"]
        return [[*command, "--processes", str(processes), "--threads", str(threads)]]


ADAPTER = Dramatiq()
