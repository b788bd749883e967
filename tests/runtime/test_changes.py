"""What handles change of jobs and queues, by both clients."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from toril import Deduplication, errors
from toril.declarations.units import Rate
from toril.runtime.calls.many import BATCH


async def echo(job: Any) -> Any:
    if job.data == {"fail": True}:
        raise ValueError("no such user")
    return job.data


@pytest.fixture
def client(rig: Any, make_client: Any) -> Any:
    rig.job(echo)
    return make_client()


async def test_a_job_that_is_kept_out_gives_the_handle_of_its_holder(rig: Any, client: Any):
    wish = Deduplication(id="u1")

    first = await client.add("sync", {"n": 1}, deduplicate=wish)
    second = await client.add("sync", {"n": 2}, deduplicate=wish)

    assert (second.id, second.created) == (first.id, False)
    assert first.created
    assert len(rig.hooks.of("toril_job_added")) == 1
    assert await client.queue("orders").deduplication_owner("u1") == first.id


async def test_a_deduplication_id_is_freed_by_its_job_or_by_the_queue(client: Any):
    wish, queue = Deduplication(id="u1", ttl="1h"), client.queue("orders")
    first = await client.add("sync", deduplicate=wish)

    assert await first.release_deduplication()
    assert not await first.release_deduplication()
    second = await client.add("sync", deduplicate=wish)
    assert await queue.release_deduplication("u1")

    assert second.created
    assert await queue.deduplication_owner("u1") is None


async def test_deduplication_that_cannot_be_stores_nothing(client: Any):
    with pytest.raises(errors.AddError, match=r"^expected a deduplication id, got ''$"):
        await client.add("sync", deduplicate=Deduplication(id=""))

    assert (await client.queue("orders").counts()).waiting == 0


async def test_the_last_job_kept_out_runs_when_the_holder_has_finished(rig: Any, client: Any):
    go_on = asyncio.Event()

    async def slow(job: Any) -> Any:
        await go_on.wait()
        return job.data

    rig.job(slow)
    wish = Deduplication(id="u1", keep_last=True)
    first = await client.add("sync", {"n": 1}, deduplicate=wish)
    rig.start()
    await rig.reaches(first.id, "active")

    for n in (2, 3):
        await client.add("sync", {"n": n}, id=f"later-{n}", deduplicate=wish)
    go_on.set()

    assert await first.result(timeout="4s") == {"n": 1}
    assert (await rig.reaches("later-3", "completed")).returnvalue == {"n": 3}
    assert await client.job("orders", "later-2").state() == "unknown"


async def test_the_delay_of_a_job_is_changed(rig: Any, client: Any):
    handle = await client.add("sync", delay="1h")
    rig.start()

    await handle.change_delay("10ms")

    assert await handle.result(timeout="4s") == {}


async def test_the_priority_of_a_job_is_changed(client: Any):
    handle = await client.add("sync")

    await handle.change_priority(3)
    assert await handle.state() == "prioritized"
    await handle.change_priority(0, lifo=True)

    assert await handle.state() == "waiting"
    assert (await handle.refresh()).priority == 0


async def test_data_progress_and_log_of_a_job_are_changed(client: Any):
    handle = await client.add("sync", {"n": 1})

    await handle.update_data({"n": 2})
    await handle.update_progress({"page": 3})
    assert [await handle.log(f"line {n}", keep=2) for n in range(3)] == [1, 2, 2]
    await handle.clear_logs(keep=1)

    job = await handle.refresh()
    assert (job.data, job.progress) == ({"n": 2}, {"page": 3})
    assert await handle.logs() == ["line 2"]
    await handle.log("line 3")
    assert await handle.logs(first=-1) == await handle.logs(first=1, last=1) == ["line 3"]
    await handle.clear_logs()
    assert await handle.logs() == []


async def test_keeping_fewer_than_no_log_lines_is_refused(client: Any):
    handle = await client.add("sync")
    await handle.log("kept")

    with pytest.raises(ValueError, match="expected to keep 0 lines or more, got -1"):
        await handle.log("refused", keep=-1)
    with pytest.raises(ValueError, match="expected to keep 0 lines or more, got -1"):
        await handle.clear_logs(keep=-1)

    assert await handle.logs() == ["kept"]


async def test_a_log_line_that_redis_cannot_hold_is_made_fit(client: Any):
    handle = await client.add("sync")

    await handle.log("half \ud83d")
    await handle.log("x" * 70_000)

    fit, cut = await handle.logs()
    assert (fit, len(cut)) == ("half ?", 65_536)


async def test_data_that_the_job_type_does_not_take_is_refused(rig: Any, make_client: Any):
    rig.job(echo, data_schema={"type": "object", "required": ["user"]})
    client = make_client()
    handle = await client.add("sync", {"user": "u1"})

    with pytest.raises(errors.InvalidData, match="data of job 'sync'"):
        await handle.update_data({})

    assert (await handle.refresh()).data == {"user": "u1"}


async def test_a_job_that_is_not_there_cannot_be_changed(client: Any):
    handle = client.job("orders", "nobody")

    for change in (
        handle.update_data({}),
        handle.update_progress(1),
        handle.log("x"),
        handle.change_delay(1),
        handle.change_priority(1),
        handle.release_deduplication(),
    ):
        with pytest.raises(errors.JobNotFound, match=r"^no job 'nobody' in queue 'orders'$"):
            await change


async def test_all_delayed_jobs_are_promoted_in_batches(client: Any, rig: Any):
    await rig.add_many([None] * (BATCH + 5), delay_ms=3_600_000)

    assert await client.queue("orders").promote_jobs() == BATCH + 5

    counts = await client.queue("orders").counts()
    assert (counts.waiting, counts.delayed) == (BATCH + 5, 0)


async def test_all_failed_jobs_run_again(client: Any, rig: Any):
    jobs = await client.add_many("sync", [{"fail": True}] * 3)
    worker = rig.start()
    for job in jobs:
        await rig.reaches(job.id, "failed")
    await worker.stop(0)
    queue = client.queue("orders")

    one = await queue.retry_jobs(limit=1)
    none = await queue.retry_jobs(finished_by="2020-01-01T00:00:00Z")
    rest = await queue.retry_jobs()

    assert (one.retried, none.retried, rest.retried) == (1, 0, 2)
    assert (await queue.counts()).waiting == 3


async def test_a_retried_job_may_have_the_attempts_that_are_left_only(client: Any, rig: Any):
    handle = await client.add("sync", {"fail": True})
    worker = rig.start()
    await rig.reaches(handle.id, "failed")
    await worker.stop(0)

    await handle.retry(fresh_attempts=False)
    assert (await handle.refresh()).attempts_made == 1
    worker = rig.start()
    await rig.reaches(handle.id, "failed")
    await worker.stop(0)
    await handle.retry()

    assert (await handle.refresh()).attempts_made == 0


async def test_only_finished_jobs_can_be_retried(client: Any):
    with pytest.raises(ValueError, match=r"^expected failed or completed, got 'delayed'$"):
        await client.queue("orders").retry_jobs("delayed")


async def test_a_queue_is_paused_and_resumed(client: Any):
    queue = client.queue("orders")

    assert [await queue.pause(), await queue.pause()] == [True, False]
    assert (await queue.counts()).paused
    assert [await queue.resume(), await queue.resume()] == [True, False]


async def test_limits_are_set_read_and_lifted(client: Any):
    queue = client.queue("orders")

    await queue.set_max_active(2)
    await queue.set_rate_limit("10/s")
    limits = await queue.limits()
    await queue.set_max_active(None)
    await queue.set_rate_limit(None)

    assert (limits.max_active, limits.rate, limits.held_ms) == (2, Rate(10, 1_000), 0)
    lifted = await queue.limits()
    assert (lifted.max_active, lifted.rate) == (None, None)


async def test_a_held_queue_runs_nothing_until_it_is_released(client: Any, rig: Any):
    queue = client.queue("orders")
    await queue.hold("1h")
    handle = await client.add("sync", {"n": 1})
    held = await queue.limits()

    assert await queue.release_rate_limit()
    rig.start()

    assert 3_599_000 < held.held_ms <= 3_600_000
    assert await handle.result(timeout="4s") == {"n": 1}


async def test_no_more_jobs_than_allowed_are_active_at_once(client: Any, rig: Any):
    running = most = 0

    async def watched(job: Any) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.002)
        running -= 1

    rig.job(watched)
    await client.queue("orders").set_max_active(2)
    jobs = await client.add_many("sync", [{}] * 12)
    rig.start()
    rig.start()

    for job in jobs:
        await job.result(timeout="8s")
    assert most == 2


async def test_a_raised_bound_lets_waiting_jobs_run_at_once(client: Any, rig: Any):
    go_on = asyncio.Event()

    async def slow(job: Any) -> None:
        await go_on.wait()

    rig.job(slow)
    queue = client.queue("orders")
    await queue.set_max_active(1)
    jobs = await client.add_many("sync", [{}] * 2)
    rig.start()
    await rig.reaches(jobs[0].id, "active")

    await queue.set_max_active(2)

    await rig.reaches(jobs[1].id, "active", within_s=2)
    go_on.set()


async def test_workers_with_a_rate_start_no_more_jobs_than_it_allows(client: Any, rig: Any):
    jobs = await client.add_many("sync", [{}] * 5)
    rate = {"orders": Rate(2, 60_000)}

    rig.start(rates=rate)
    rig.start(rates=rate)
    for job in jobs[:2]:
        await rig.reaches(job.id, "completed")

    assert (await client.queue("orders").counts()).waiting == 3
    await client.queue("orders").release_rate_limit()
    rig.start(rates=rate)
    await rig.reaches(jobs[3].id, "completed")
    assert await jobs[4].state() == "waiting"
