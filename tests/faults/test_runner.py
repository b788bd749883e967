"""Kills, signals and jobs that misbehave, on real `toril run` processes."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

MakePipeline = Callable[..., Any]
BlockUntil = Callable[..., None]


def test_until_idle_runs_all_and_exits_with_0(make_pipeline: MakePipeline) -> None:
    pipeline = make_pipeline()
    ids = pipeline.add(*[{"sleep": 0}] * 20)

    run = pipeline.run("--until-idle")

    assert run.end() == 0
    assert pipeline.history("end") == Counter(ids)
    assert pipeline.counts().completed == 20


def test_a_killed_worker_is_replaced_and_its_job_runs_again(
    make_pipeline: MakePipeline, block_until: BlockUntil
) -> None:
    pipeline = make_pipeline(lock="30s")
    [job] = pipeline.add({"sleep": 1})
    run = pipeline.run("--until-idle")
    block_until(lambda: pipeline.history("start")[job] == 1, "10s")

    os.kill(run.worker_pids()[0], signal.SIGKILL)

    assert run.end() == 0
    assert run.events("worker_ended")[0]["exit"] == "signal SIGKILL"
    assert pipeline.history("start")[job] == 2
    assert pipeline.read(job).stalled_count == 1
    assert pipeline.counts().completed == 1


def test_workers_die_with_their_killed_supervisor_and_the_next_one_goes_on_at_once(
    make_pipeline: MakePipeline, block_until: BlockUntil
) -> None:
    pipeline = make_pipeline(lock="30s")
    ids = pipeline.add(*[{"sleep": 0.5}] * 5)
    first = pipeline.run("--processes", "2")
    block_until(lambda: len(pipeline.history("start")) == 5, "10s")
    first.wait_for("worker_started", 2)

    first.kill()
    block_until(lambda: first.worker_pids() == [])
    second = pipeline.run("--until-idle")

    assert second.end(within_s=10) == 0
    assert pipeline.history("end") == Counter(ids)
    assert {pipeline.read(job).stalled_count for job in ids} == {0}


def test_a_killed_embedded_server_is_started_again_and_nothing_runs_twice(
    make_pipeline: MakePipeline, block_until: BlockUntil
) -> None:
    pipeline = make_pipeline()
    ids = pipeline.add(*[{"sleep": 1}] * 5)
    run = pipeline.run("--until-idle")
    block_until(lambda: len(pipeline.history("start")) == 5, "10s")

    os.kill(pipeline.handle.pid, signal.SIGKILL)

    assert run.end() == 0
    assert len(run.events("server_restarted")) == 1
    assert pipeline.history("start") == Counter(ids)
    assert pipeline.counts().completed == 5


def test_processes_of_jobs_die_with_a_killed_worker_and_their_jobs_run_again(
    make_pipeline: MakePipeline, block_until: BlockUntil
) -> None:
    pipeline = make_pipeline(lock="30s")
    [job] = pipeline.add({"sleep": 1.5}, job="act-in-process")
    run = pipeline.run("--until-idle")
    block_until(lambda: pipeline.history("start")[job] == 1, "10s")

    os.kill(run.worker_pids()[0], signal.SIGKILL)

    assert run.end() == 0
    assert pipeline.history("start")[job] == 2
    assert pipeline.history("end")[job] == 1
    assert pipeline.counts().completed == 1


def test_what_a_job_started_in_its_process_dies_with_a_killed_worker(
    make_pipeline: MakePipeline, block_until: BlockUntil
) -> None:
    pipeline = make_pipeline(lock="30s")
    [job] = pipeline.add({"sleep": 60, "leave": 60}, job="act-in-process")
    run = pipeline.run("--grace", "1s")
    block_until(lambda: pipeline.history("start")[job] == 1, "10s")
    [started] = pipeline.left()

    os.kill(run.worker_pids()[0], signal.SIGKILL)

    run.wait_for("worker_ended", within="4s")
    assert started not in pipeline.left()
    run.send(signal.SIGTERM)
    assert run.end() == 0
    assert pipeline.left() == []


@pytest.mark.parametrize("job_type", ["act-in-thread", "act-in-process"])
def test_what_a_job_started_does_not_hold_up_the_end_of_its_killed_worker(
    make_pipeline: MakePipeline, block_until: BlockUntil, job_type: str
) -> None:
    pipeline = make_pipeline(lock="30s")
    [job] = pipeline.add({"sleep": 1, "leave": 8}, job=job_type)
    run = pipeline.run("--until-idle")
    block_until(lambda: pipeline.history("start")[job] == 1, "10s")

    os.kill(run.worker_pids()[0], signal.SIGKILL)

    run.wait_for("worker_ended", within="4s")
    assert run.end() == 0
    assert pipeline.history("end")[job] == 1


@pytest.mark.parametrize("how", ["block", "regex"])
def test_a_job_that_starves_its_process_for_three_locks_runs_once(
    make_pipeline: MakePipeline, how: str
) -> None:
    pipeline = make_pipeline(lock="1s")
    [job] = pipeline.add({how: 3})

    run = pipeline.run("--until-idle")

    assert run.end() == 0
    assert pipeline.history("start") == Counter([job])
    assert pipeline.state(job) == "completed"
    assert pipeline.read(job).stalled_count == 0


def test_sigterm_lets_running_jobs_finish(
    make_pipeline: MakePipeline, block_until: BlockUntil
) -> None:
    pipeline = make_pipeline(concurrency=1)
    first, second = pipeline.add({"sleep": 1}, {"sleep": 0})
    run = pipeline.run()
    block_until(lambda: pipeline.history("start")[first] == 1, "10s")

    run.send(signal.SIGTERM)

    assert run.end(within_s=5) == 0
    assert pipeline.state(first) == "completed"
    assert pipeline.state(second) == "waiting"


@pytest.mark.parametrize("job_type", ["act", "act-in-thread"])
def test_what_does_not_finish_within_the_grace_is_handed_back(
    make_pipeline: MakePipeline, block_until: BlockUntil, job_type: str
) -> None:
    pipeline = make_pipeline(lock="30s")
    [job] = pipeline.add({"sleep": 60}, job=job_type)
    run = pipeline.run("--grace", "2s")
    block_until(lambda: pipeline.history("start")[job] == 1, "10s")

    run.send(signal.SIGTERM)

    assert run.end(within_s=3) == 0
    assert pipeline.state(job) == "waiting"
    assert pipeline.read(job).stalled_count == 0
    assert pipeline.read(job).attempts_made == 0


def test_a_blocked_worker_is_killed_within_the_grace_and_not_blamed(
    make_pipeline: MakePipeline, block_until: BlockUntil
) -> None:
    pipeline = make_pipeline(lock="30s")
    [job] = pipeline.add({"block": 60})
    run = pipeline.run("--grace", "1s")
    block_until(lambda: pipeline.history("start")[job] == 1, "10s")

    run.send(signal.SIGTERM)

    assert run.end(within_s=3) == 0
    assert len(run.events("worker_killed")) == 1
    assert pipeline.state(job) == "waiting"
    assert pipeline.read(job).stalled_count == 0


def test_a_second_ctrl_c_hands_back_at_once(
    make_pipeline: MakePipeline, block_until: BlockUntil
) -> None:
    pipeline = make_pipeline()
    [job] = pipeline.add({"sleep": 60})
    run = pipeline.run()
    block_until(lambda: pipeline.history("start")[job] == 1, "10s")

    run.send(signal.SIGINT)
    run.wait_for("runner_stopping")
    run.send(signal.SIGINT)

    assert run.end(within_s=5) == 0
    assert pipeline.state(job) == "waiting"


def test_only_the_poison_job_pays_for_its_crashes(make_pipeline: MakePipeline) -> None:
    pipeline = make_pipeline(limit=1)
    poison, *innocents = pipeline.add({"signal": "SIGSEGV"}, *[{"sleep": 0.05}] * 8)

    run = pipeline.run("--until-idle")

    assert run.end() == 0
    assert pipeline.state(poison) == "failed"
    assert pipeline.read(poison).failed_reason == (
        "the job ended its worker process (signal SIGSEGV) more than 1 times"
    )
    assert {pipeline.state(job) for job in innocents} == {"completed"}
    assert {pipeline.read(job).stalled_count for job in innocents} == {0}


@pytest.mark.parametrize("code", [0, 3])
def test_a_job_that_exits_its_process_alone_is_failed_with_the_exit_code(
    make_pipeline: MakePipeline, code: int
) -> None:
    pipeline = make_pipeline(limit=0)
    [job] = pipeline.add({"exit": code})

    run = pipeline.run("--until-idle")

    assert run.end() == 0
    assert pipeline.read(job).failed_reason == (
        f"the job ended its worker process (exit code {code}) more than 0 times"
    )
    assert pipeline.history("start")[job] == 1


def test_a_paused_queue_with_work_cannot_become_idle(make_pipeline: MakePipeline) -> None:
    pipeline = make_pipeline()
    pipeline.add({"sleep": 0})
    pipeline.client.hset("bull:orders:meta", "paused", "1")

    run = pipeline.run("--until-idle")

    assert run.end() == 1
    assert run.events("pipeline_stuck")[0]["queue"] == "orders"
    assert pipeline.counts().waiting == 1


def test_a_stalled_job_of_nobody_is_swept_and_told_to_plugins(
    make_pipeline: MakePipeline,
) -> None:
    pipeline = make_pipeline()
    [job] = pipeline.add({"sleep": 0})
    pipeline.client.lmove("bull:orders:wait", "bull:orders:active")

    run = pipeline.run("--until-idle")

    assert run.end() == 0
    assert run.events("jobs_stalled")[0]["returned"] == 1
    assert pipeline.history("stalled") == Counter([job])
    assert pipeline.state(job) == "completed"


def test_a_lost_tick_of_a_schedule_is_added_again(make_pipeline: MakePipeline) -> None:
    pipeline = make_pipeline()
    (pipeline.root / "schedules.yaml").write_text(
        "schedules: {yearly: {cron: '0 0 1 1 *', job: act, data: {sleep: 0}}}"
    )
    run = pipeline.run()
    run.wait_for("worker_started")
    [tick] = pipeline.client.zrange("bull:orders:delayed", 0, -1)

    pipeline.client.zrem("bull:orders:delayed", tick)
    pipeline.client.delete(b"bull:orders:" + tick)

    assert run.wait_for("schedule_applied", 2)["action"] == "healed"
    assert pipeline.client.zrange("bull:orders:delayed", 0, -1) == [tick]
    run.send(signal.SIGTERM)
    assert run.end() == 0


def test_a_frozen_server_does_not_outlast_the_grace(
    make_pipeline: MakePipeline, block_until: BlockUntil
) -> None:
    pipeline = make_pipeline()
    [job] = pipeline.add({"sleep": 60})
    run = pipeline.run("--grace", "2s")
    block_until(lambda: pipeline.history("start")[job] == 1, "10s")
    os.kill(pipeline.handle.pid, signal.SIGSTOP)

    run.send(signal.SIGTERM)

    try:
        assert run.end(within_s=3) == 0
    finally:
        os.kill(pipeline.handle.pid, signal.SIGCONT)
    # What it could not hand back is left to the next runner.
    assert len(list((pipeline.root / ".toril/runners").iterdir())) == 1


def test_redis_away_is_survived_and_said_once_a_second_at_most(
    make_pipeline: MakePipeline, block_until: BlockUntil
) -> None:
    pipeline = make_pipeline(external=True)
    ids = pipeline.add(*[{"sleep": 1}] * 3)
    run = pipeline.run("--until-idle", "--processes", "2")
    block_until(lambda: len(pipeline.history("start")) == 3, "10s")

    pipeline.handle.kill()
    run.wait_for("redis_unavailable", 2)
    pipeline.handle.open()

    assert run.end() == 0
    away = [line["time"][:19] for line in run.events("redis_unavailable")]
    assert max(Counter(away).values()) <= 2
    # A run that has nothing left to do may end before the supervisor asks Redis again.
    assert len(run.events("redis_available")) <= 1
    assert pipeline.history("start") == Counter(ids)
    assert pipeline.counts().completed == 3


def test_a_runner_of_many_processes_says_once_that_redis_is_back(
    make_pipeline: MakePipeline, block_until: BlockUntil
) -> None:
    pipeline = make_pipeline(external=True)
    run = pipeline.run("--processes", "2")
    block_until(lambda: len(run.events("worker_started")) == 2, "10s")

    pipeline.handle.kill()
    run.wait_for("redis_unavailable", 1)
    pipeline.handle.open()
    run.wait_for("redis_available", 1)
    [job] = pipeline.add({"sleep": 0})
    block_until(lambda: pipeline.history("start")[job] == 1, "10s")
    run.send(signal.SIGTERM)

    assert run.end() == 0
    assert len(run.events("redis_available")) == 1


def test_sigterm_to_a_worker_alone_lets_its_jobs_finish(
    make_pipeline: MakePipeline, block_until: BlockUntil
) -> None:
    pipeline = make_pipeline(concurrency=1)
    ids = pipeline.add({"sleep": 0.5}, {"sleep": 0})
    run = pipeline.run("--until-idle")
    block_until(lambda: pipeline.history("start")[ids[0]] == 1, "10s")

    os.kill(run.worker_pids()[0], signal.SIGTERM)

    assert run.end() == 0
    assert len(run.events("worker_started")) == 2
    assert pipeline.history("start") == Counter(ids)
