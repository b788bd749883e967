"""A thousand jobs, while everything that can be killed is killed."""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from typing import Any

JOBS = 1_000
WORKER_KILLS = 10


def test_kills_of_workers_supervisor_and_server_lose_nothing_and_end_nothing_twice(
    make_pipeline: Callable[..., Any], block_until: Callable[..., None]
) -> None:
    dice = random.Random(7)
    pipeline = make_pipeline(concurrency=20)
    ids = pipeline.add(*[{"sleep": 0.1}] * JOBS)
    first = pipeline.run("--processes", "2")

    def wait_for_progress(jobs: int) -> None:
        seen = len(pipeline.history("end"))
        block_until(lambda: len(pipeline.history("end")) >= min(seen + jobs, JOBS), "20s")

    for _ in range(WORKER_KILLS):
        wait_for_progress(40)
        block_until(first.worker_pids, "10s")
        os.kill(dice.choice(first.worker_pids()), signal.SIGKILL)
    wait_for_progress(40)
    assert first.zombies() == []
    first.kill()
    second = pipeline.run("--processes", "2", "--until-idle")
    wait_for_progress(40)
    os.kill(pipeline.handle.pid, signal.SIGKILL)

    assert second.end(within_s=60) == 0
    assert len(first.events("worker_ended")) == WORKER_KILLS
    assert len(second.events("server_restarted")) == 1
    counts = pipeline.counts()
    assert (counts.completed, counts.failed, counts.active, counts.waiting) == (JOBS, 0, 0, 0)
    assert set(pipeline.history("end")) == set(ids)
    assert pipeline.outcomes() == Counter(ids)
    assert pipeline.fsck() == []
