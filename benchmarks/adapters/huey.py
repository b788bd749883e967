"""huey: pickled jobs in a list, workers that block on it; threads for jobs that wait.

Results are not kept. More threads than one only help jobs that wait.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from huey import RedisHuey

from benchmarks.marks import mark, mark_pickup
from benchmarks.serving import URL, Adapter, find_command

huey = RedisHuey("bench", url=URL, results=False)


@huey.task(name="noop")
def noop(data: Any) -> None:
    mark()


@huey.task(name="sleep")
def sleep(data: Any) -> None:
    time.sleep(0.01)
    mark()


@huey.task(name="pickup")
def pickup(data: Any) -> None:
    mark_pickup(data["added_ns"])


@huey.task(name="retry", retries=1, context=True)
def retry(data: Any, task: Any) -> None:
    mark()
    if task.retries == 1:
        raise RuntimeError("the first attempt fails")


JOBS = {"noop": noop, "sleep": sleep, "pickup": pickup, "retry": retry}


class Huey(Adapter):
    distribution = "huey"
    can = frozenset({"sync", "retry", "delay"})
    pace = 3_500

    def add_blocking(
        self, job: str, data: Any, *, delay_ms: int | None = None, priority: int | None = None
    ) -> None:
        if delay_ms is None:
            JOBS[job](data)
        else:
            JOBS[job].schedule((data,), delay=timedelta(milliseconds=delay_ms))

    def build_workers(self, job: str, concurrency: int, processes: int) -> list[list[str]]:
        kind, workers = ("thread", concurrency) if job == "sleep" else ("process", processes)
        command = [find_command("huey_consumer"), f"{__name__}.huey", "--quiet", "--no-periodic"]
        return [[*command, "--worker-type", kind, "--workers", str(workers)]]


ADAPTER = Huey()
