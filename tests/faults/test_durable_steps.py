"""Durable steps under kill -9: what was kept before it is not run again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from toril.runtime.calls.durable_steps import read_steps

MakePipeline = Callable[..., Any]


def count_steps(pipeline: Any, job: str) -> list[int]:
    return [pipeline.history(f"step-{step} ")[job] for step in range(4)]


def test_a_job_whose_worker_was_killed_goes_on_where_it_was(make_pipeline: MakePipeline) -> None:
    pipeline = make_pipeline()
    [job] = pipeline.add({"kill_in": [1, 3]}, job="act-in-steps")

    assert pipeline.run("--until-idle").end() == 0

    assert pipeline.state(job) == "completed"
    assert count_steps(pipeline, job) == [1, 2, 1, 2]
    assert pipeline.fsck() == []


def test_another_runner_goes_on_where_a_killed_one_was(make_pipeline: MakePipeline) -> None:
    pipeline = make_pipeline()
    [job] = pipeline.add({"kill_in": [2], "runner": True}, job="act-in-steps")
    pipeline.run("--until-idle").end()

    assert list(read_steps(pipeline.read(job))) == ["step-0", "step-1"]
    assert pipeline.run("--until-idle").end() == 0

    assert count_steps(pipeline, job) == [1, 1, 2, 1]
    assert len(read_steps(pipeline.read(job))) == 4
