"""Tests of what running jobs tell and change: progress, log, data; from coroutines and threads."""

from __future__ import annotations

import asyncio
import threading

import pytest

from toril.errors import InvalidData, JobNotFound, PayloadTooLarge
from toril.runtime.calls.jobs import get_logs, remove_job


async def test_progress_log_and_data_of_a_coroutine_are_stored(rig):
    async def sync(job):
        await job.progress(40)
        await job.log("page 3 of 7")
        await job.log("page 4 of 7")
        await job.update_data({"page": 5})
        return job.data

    rig.job(sync)
    job_id = await rig.add({"page": 1})
    rig.start()

    job = await rig.reaches(job_id, "completed")
    assert (job.progress, job.data, job.returnvalue) == (40, {"page": 5}, {"page": 5})
    logs = await rig.sender.send(get_logs(rig.keys(), job_id))
    assert logs == ["page 3 of 7", "page 4 of 7"]
    assert [told["progress"] for told in rig.hooks.of("toril_job_progress")] == [40]


async def test_a_thread_has_the_same_names_blocking(rig):
    threads: list[str] = []

    def sync(job):
        threads.append(threading.current_thread().name)
        job.progress({"done": 1})
        job.log("half way")
        job.update_data([job.attempt, job.id])
        return job.cancelled.is_set()

    rig.job(sync)
    job_id = await rig.add()
    rig.start()

    job = await rig.reaches(job_id, "completed")
    assert (job.progress, job.data, job.returnvalue) == ({"done": 1}, [1, job_id], False)
    assert await rig.sender.send(get_logs(rig.keys(), job_id)) == ["half way"]
    assert threads[0].startswith("toril-w1")


async def test_jobs_in_threads_run_side_by_side(rig):
    together = threading.Barrier(4)
    rig.queue("orders", concurrency=4)
    rig.job(lambda job: together.wait(3) >= 0)
    ids = await rig.add_many([None] * 4)
    rig.start()

    for job_id in ids:
        await rig.reaches(job_id, "completed")


async def test_what_is_told_in_one_turn_of_the_loop_travels_together(rig, monkeypatch):
    trips: list[int] = []
    send_many = rig.sender.send_many

    async def count(calls, **how):
        trips.append(len(calls))
        return await send_many(calls, **how)

    monkeypatch.setattr(rig.sender, "send_many", count)

    async def sync(job):
        await asyncio.gather(*(job.log(f"line {number}") for number in range(50)))

    rig.job(sync)
    job_id = await rig.add()
    rig.start("orders")

    await rig.reaches(job_id, "completed")
    logs = await rig.sender.send(get_logs(rig.keys(), job_id))
    assert logs == [f"line {number}" for number in range(50)]
    assert 50 in trips


@pytest.mark.parametrize(
    ("report", "error"),
    [
        (lambda job: job.progress(float("inf")), InvalidData),
        (lambda job: job.update_data({1: 2}), InvalidData),
        (lambda job: job.update_data("x" * 200), PayloadTooLarge),
    ],
)
async def test_a_report_that_cannot_be_stored_raises_in_the_processor(rig, report, error):
    raised: list[BaseException] = []

    async def sync(job):
        try:
            await report(job)
        except error as caught:
            raised.append(caught)

    rig.queue("orders", max_payload=100)
    rig.job(sync)
    job_id = await rig.add()
    rig.start()

    await rig.reaches(job_id, "completed")
    assert len(raised) == 1


async def test_one_jobs_refused_report_does_not_hurt_anothers(rig, wait_until):
    go = asyncio.Event()
    raised: list[BaseException] = []

    async def sync(job):
        await go.wait()
        try:
            await job.progress(1)
        except JobNotFound as error:
            raised.append(error)

    rig.job(sync)
    removed, kept = await rig.add_many([None, None])
    rig.start()
    await wait_until(lambda: len(rig.said("job_started")) == 2)
    await rig.redis.delete(rig.keys().job(removed))
    go.set()

    assert (await rig.reaches(kept, "completed")).progress == 1
    await wait_until(lambda: raised)
    assert rig.said("job_gone")[0]["job"] == removed


async def test_a_job_removed_while_it_waits_is_no_trouble(rig):
    rig.job(lambda job: None)
    first, second = await rig.add_many([None, None])
    await rig.sender.send(remove_job(rig.keys(), first))
    rig.start()

    await rig.reaches(second, "completed")


async def test_a_long_log_line_is_cut(rig):
    async def sync(job):
        await job.log("x" * 1_000_000)

    rig.job(sync)
    job_id = await rig.add()
    rig.start()

    await rig.reaches(job_id, "completed")
    [line] = await rig.sender.send(get_logs(rig.keys(), job_id))
    assert len(line) == 64 * 1024


async def test_lines_beyond_keep_logs_are_dropped(rig):
    async def sync(job):
        for number in range(5):
            await job.log(f"line {number}")

    rig.job(sync)
    job_id = await rig.add(opts={"keepLogs": 2})
    rig.start()

    await rig.reaches(job_id, "completed")
    assert await rig.sender.send(get_logs(rig.keys(), job_id)) == ["line 3", "line 4"]


async def test_a_peers_odd_keep_logs_loses_no_line(rig):
    async def sync(job):
        await job.log("a line")

    rig.job(sync)
    job_id = await rig.add(opts={"keepLogs": -1})
    rig.start()

    await rig.reaches(job_id, "completed")
    assert await rig.sender.send(get_logs(rig.keys(), job_id)) == ["a line"]
