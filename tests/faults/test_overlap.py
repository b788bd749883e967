"""Ticks that must not overlap, while the workers that run them are killed."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from itertools import groupby
from typing import Any, NamedTuple

import pytest

MakePipeline = Callable[..., Any]


class Line(NamedTuple):
    """What a job noted: that it starts or ends, and where."""

    word: str
    job: str
    pid: int


def list_lines(pipeline: Any) -> list[Line]:
    history = pipeline.root / "history"
    lines = [line.split() for line in history.read_text().splitlines()] if history.exists() else []
    return [Line(line[0], line[1], int(line[2])) for line in lines if len(line) == 3]


def is_at_work(pipeline: Any, run: Any) -> bool:
    """Whether a tick's job runs in a worker that lives."""
    lines = list_lines(pipeline)
    return bool(lines) and lines[-1].word == "start" and lines[-1].pid in run.worker_pids()


@pytest.mark.parametrize("overlap", ["skip", "queue"])
def test_no_two_ticks_work_at_once_though_workers_are_killed(
    make_pipeline: MakePipeline, block_until: Callable[..., None], overlap: str
) -> None:
    pipeline = make_pipeline(lock="1s", limit=100)
    schedule = {"every": "300ms", "job": "act", "data": {"sleep": 0.4}, "overlap": overlap}
    (pipeline.root / "often.yaml").write_text(json.dumps({"schedules": {"often": schedule}}))
    run = pipeline.run("--processes", "3")

    for kills in range(1, 5):
        block_until(lambda: is_at_work(pipeline, run), "10s")
        os.kill(list_lines(pipeline)[-1].pid, signal.SIGKILL)
        run.wait_for("worker_started", 3 + kills)
    ended = pipeline.history("end ").total()
    block_until(lambda: pipeline.history("end ").total() >= ended + 3, "10s")
    run.send(signal.SIGTERM)
    run.end()

    # However often a tick was begun anew, no other one began before it ended.
    ticks = [job for job, _ in groupby(line.job for line in list_lines(pipeline))]
    assert len(ticks) == len(set(ticks)) >= 4
    assert pipeline.history("start ").total() > len(ticks)
    assert pipeline.fsck() == []
