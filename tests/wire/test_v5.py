"""BullMQ v5 beside Toril: its paused queues, its workers, its old repeatable jobs."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from toril.runtime.calls.claim import Owner
from toril.runtime.calls.settle import settle_and_claim
from toril.runtime.old_repeats import find_old_repeats
from toril.runtime.states import JobState
from toril.runtime.steps import walk

PAUSED = """
await queue('orders').addBulk(
  ['a', 'b', 'c'].map((id) => ({name: 'echo', data: {}, opts: {jobId: id}})));
await queue('orders').pause();
"""


async def claim(client, count: int = 9) -> list[str]:
    now_ms = client.clock.now_ms()
    call = settle_and_claim(
        client.keys("orders"), owner=Owner("tok", 30_000), claim=count, now_ms=now_ms
    )
    return [job.id for job in (await client.send(call)).jobs]


async def test_a_queue_that_v5_paused_is_read_and_claims_nothing(node5, client):
    await node5.run(PAUSED)
    queue = client.queue("orders")

    counts = await queue.counts()
    assert (counts.waiting, counts.paused) == (3, True)
    assert [found.job.id for found in await queue.jobs("waiting")] == ["c", "b", "a"]
    assert await client.job("orders", "a").state() is JobState.WAITING
    assert await queue.count_priorities([0]) == {0: 3}
    assert await claim(client) == []


async def test_resuming_loses_nothing_that_was_added_meanwhile(node5, client):
    await node5.run(PAUSED)
    await client.add("echo", id="new")
    assert (await client.queue("orders").counts()).waiting == 4

    await client.queue("orders").resume()

    assert await claim(client) == ["a", "b", "c", "new"]
    assert await node5.run("return await queue('orders').isPaused()") is False


async def test_a_v5_worker_runs_what_toril_resumed(node5, client):
    await node5.run(PAUSED)
    await node5.run("worker('orders', async (job) => `v5 ran ${job.id}`)")
    new = await client.add("echo", id="new")

    await client.queue("orders").resume()

    assert await new.result(timeout="10s") == "v5 ran new"
    assert await client.job("orders", "a").result(timeout="10s") == "v5 ran a"


async def test_toril_runs_what_v5_added_and_paused(node5, client, toril_run):
    await node5.run(PAUSED)
    async with toril_run():
        await client.queue("orders").resume()
        results = [await client.job("orders", one).result(timeout="10s") for one in "abc"]

    assert results == [{"got": {}, "attempt": 1}] * 3
    assert await node5.run("return await queue('orders').getJobCounts('completed')") == {
        "completed": 3
    }


async def test_jobs_in_a_queue_that_v5_paused_are_removed_cleaned_and_drained(node5, client):
    await node5.run(PAUSED)
    queue = client.queue("orders")

    assert await client.job("orders", "b").remove() == 1
    assert await queue.clean("waiting", limit=1) == ["a"]
    assert await queue.drain() == 1

    assert (await queue.counts()).waiting == 0
    assert await node5.run("return await queue('orders').getJobCounts('waiting', 'paused')") == {
        "waiting": 0,
        "paused": 0,
    }


async def test_a_queue_that_v5_paused_is_obliterated(node5, client, redis, prefix):
    await node5.run(PAUSED)

    assert await client.queue("orders").obliterate() == 3

    assert [key async for key in redis.scan_iter(match=f"{prefix}:orders:*")] == []


async def test_v5_resumes_what_toril_paused(node5, client):
    await client.queue("orders").pause()
    await client.add("echo", id="a")

    await node5.run("await queue('orders').resume()")

    assert (await client.queue("orders").counts()).paused is False
    assert await claim(client) == ["a"]


OLD_REPEAT = """
await queue('orders').add('old', {n: 7}, {repeat: {every: 200}, jobId: 'old'});
return (await queue('orders').getRepeatableJobs()).map((one) => one.key);
"""


async def test_old_repeatable_jobs_are_found_and_schedulers_are_not(node5, client):
    [key] = await node5.run(OLD_REPEAT)
    await node5.run("await queue('orders').upsertJobScheduler('new', {every: 60000}, {name: 'x'})")

    assert await walk(find_old_repeats(client.keys("orders")), client.send) == [key]


async def test_doctor_tells_of_old_repeatable_jobs_and_changes_nothing(
    node5, client, pipeline_folder, redis, prefix
):
    [key] = await node5.run(OLD_REPEAT)
    before = await redis.hgetall(f"{prefix}:orders:repeat:{key}")

    toril = str(Path(sys.executable).parent / "toril")
    process = await asyncio.create_subprocess_exec(
        *(toril, "-C", str(pipeline_folder), "doctor", "--format", "json"),
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()

    found = [one for one in json.loads(said)["findings"] if one["code"] == "old-repeat"]
    assert found == [
        {
            "queue": "orders",
            "code": "old-repeat",
            "subject": key,
            "message": f"repeatable job {key!r} is of the kind BullMQ had before job schedulers; "
            "declare a schedule in its place, and remove it with BullMQ v5 (removeRepeatableByKey)",
        }
    ]
    assert process.returncode == 1
    assert await redis.hgetall(f"{prefix}:orders:repeat:{key}") == before
    assert await node5.run("return (await queue('orders').getRepeatableJobs()).length") == 1


async def test_an_old_repeatable_job_keeps_its_data_when_toril_runs_it(node5, client, toril_run):
    await node5.run(OLD_REPEAT.replace("'old', {n: 7}", "'echo', {n: 7}"))

    async with toril_run():
        await node5.run(
            """
            while ((await queue('orders').getCompletedCount()) < 3)
              await new Promise((done) => setTimeout(done, 20));
            """
        )

    data = await node5.run("return (await queue('orders').getCompleted()).map((job) => job.data)")
    assert data[:3] == [{"n": 7}] * 3
    assert await node5.run("return (await queue('orders').getRepeatableJobs()).length") == 1
