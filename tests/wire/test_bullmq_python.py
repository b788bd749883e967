"""BullMQ's own Python client on the same queues: either adds, either works."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import bullmq
import pytest
from redis.asyncio import Redis

from toril.client import Client
from toril.errors import JobFailed
from toril.runtime.fsck import check_queue
from toril.runtime.keys import QueueKeys
from toril.runtime.sender import AsyncSender


@pytest.fixture
async def closing() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
def queue(server: Any, prefix: str, closing: AsyncExitStack) -> Callable[[str], bullmq.Queue]:
    """`queue("orders")`: BullMQ's class on a queue."""

    def make(name: str) -> bullmq.Queue:
        made = bullmq.Queue(name, {"connection": server.url, "prefix": prefix})
        closing.push_async_callback(made.close)
        return made

    return make


@pytest.fixture
def work(server: Any, prefix: str, closing: AsyncExitStack) -> Callable[..., bullmq.Worker]:
    """`work("orders", processor, ...)`: BullMQ's worker on a queue."""

    def make(name: str, processor: Any, **options: Any) -> bullmq.Worker:
        options = {"connection": server.url, "prefix": prefix, "concurrency": 4, **options}
        made = bullmq.Worker(name, processor, options)
        closing.push_async_callback(made.close, force=True)
        return made

    return make


async def echo(job: bullmq.Job, token: str) -> Any:
    await job.updateProgress(40)
    await job.log("seen by python")
    if job.data.get("fails"):
        raise ValueError("python says no")
    return {"got": job.data, "attempt": job.attemptsMade + 1}


WAYS = ({}, {"delay": 100}, {"priority": 3}, {"lifo": True}, {"jobId": "mine"})


async def test_toril_works_what_bullmq_python_adds(
    queue: Any, client: Client, toril_run: Any
) -> None:
    orders = queue("orders")
    data = {"text": "žluťoučký 🐂", "list": [], "null": None, "big": 2**53}

    added = [await orders.add("echo", data, {"removeOnComplete": False, **opts}) for opts in WAYS]
    async with toril_run():
        results = [await client.job("orders", job.id).result("10s") for job in added]

    for job, result in zip(added, results, strict=True):
        seen = await orders.getJob(job.id)
        assert result == seen.returnvalue == {"got": data, "attempt": 1}
        assert (seen.progress, seen.attemptsMade) == (40, 1)
        assert (await orders.getJobLogs(job.id))["logs"] == ["echo on orders"]
    counts = await orders.getJobCounts("completed", "failed", "active", "wait")
    assert counts == {"completed": len(WAYS), "failed": 0, "active": 0, "wait": 0}


async def test_toril_retries_and_fails_as_bullmq_pythons_options_say(
    queue: Any, client: Client, toril_run: Any
) -> None:
    orders = queue("orders")
    backoff = {"type": "exponential", "delay": 5}
    added = await orders.addBulk(
        [
            {"name": "flaky", "data": {}, "opts": {"attempts": 4, "backoff": backoff}},
            {"name": "refused", "data": {}, "opts": {"attempts": 4}},
        ]
    )

    async with toril_run():
        assert await client.job("orders", added[0].id).result("10s") == 3
        with pytest.raises(JobFailed, match="no such account"):
            await client.job("orders", added[1].id).result("10s")

    refused = await orders.getJob(added[1].id)
    assert (refused.attemptsMade, refused.failedReason) == (1, "no such account")


async def test_toril_releases_the_parents_of_bullmq_pythons_flow(
    server: Any, prefix: str, closing: AsyncExitStack, client: Client, toril_run: Any
) -> None:
    flows = bullmq.FlowProducer(server.url, {"prefix": prefix})
    closing.push_async_callback(flows.close)
    children = [
        {"name": "total", "queueName": "orders", "data": {"numbers": [n]}} for n in (1, 2, 39)
    ]
    tree = await flows.add(
        {"name": "total", "queueName": "orders", "data": {}, "children": children}
    )

    async with toril_run():
        assert await client.job("orders", tree["job"].id).result("10s") == 42


async def test_toril_goes_on_with_bullmq_pythons_scheduler(
    queue: Any, toril_run: Any, wait_until: Any
) -> None:
    orders = queue("orders")
    await orders.upsertJobScheduler("beat", {"every": 100}, "echo", {}, {"removeOnComplete": False})

    async def has_ticked() -> bool:
        return (await orders.getJobCounts("completed"))["completed"] >= 3

    async with toril_run():
        await wait_until(has_ticked, within="8s", every=0.05)


@pytest.mark.parametrize("how", [{}, {"delay": "100ms"}, {"priority": 3}, {"lifo": True}], ids=str)
async def test_bullmq_python_works_what_toril_adds(
    work: Any, client: Client, how: dict[str, Any]
) -> None:
    work("node", echo)
    data = {"text": "žluťoučký 🐂", "list": [], "null": None, "big": 2**53}

    job = await client.add("node-echo", data, **how)

    assert await job.result("10s") == {"got": data, "attempt": 1}
    assert await job.progress() == 40
    assert await job.logs() == ["seen by python"]


async def test_bullmq_python_retries_as_torils_options_say(work: Any, client: Client) -> None:
    work("node", echo)

    job = await client.add("node-echo", {"fails": True})

    with pytest.raises(JobFailed, match="python says no"):
        await job.result("10s")
    assert (await job.refresh()).attempts_made == 2


async def test_a_step_of_torils_run_is_worked_by_bullmq_python(
    work: Any, client: Client, toril_run: Any
) -> None:
    async def there(job: bullmq.Job, token: str) -> Any:
        return job.data

    work("node", there)
    async with toril_run():
        run = await client.start_flow("mixed", {"number": 20})
        assert await run.result("10s") == 41


async def test_both_work_one_queue_and_each_job_once(
    queue: Any,
    work: Any,
    client: Client,
    toril_run: Any,
    redis: Redis,
    prefix: str,
    wait_until: Any,
) -> None:
    by_python: list[str] = []

    async def note(job: bullmq.Job, token: str) -> str:
        by_python.append(job.id)
        await asyncio.sleep(0.002)
        return "python"

    async def both_wait() -> bool:
        blocked = [one for one in await redis.client_list() if one["cmd"] == "bzpopmin"]
        return len(blocked) >= 2

    orders, keys = queue("orders"), QueueKeys(prefix, "orders")
    async with toril_run():
        work("orders", note)
        await wait_until(both_wait, within="10s")
        ours = await client.add_many("echo", [{"n": n} for n in range(150)])
        theirs = await orders.addBulk(
            [{"name": "echo", "data": {"n": n}, "opts": {}} for n in range(150)]
        )
        ids = [job.id for job in (*ours, *theirs)]
        for job_id in ids:
            await client.job("orders", job_id).result("20s")
        counts = await orders.getJobCounts("wait", "active", "delayed", "completed", "failed")

    assert counts["completed"] == sum(counts.values()) == 300
    assert 0 < len(by_python) == len(set(by_python)) < 300
    for job_id in ids:
        assert (await client.job("orders", job_id).refresh()).attempts_started == 1
    assert await check_queue(AsyncSender(redis), keys) == []


async def test_bullmq_python_counts_and_lists_what_toril_added(queue: Any, client: Client) -> None:
    await client.add_many("node-echo", [{}] * 3)
    await client.add("node-echo", {}, delay="1h")
    await client.add("node-urgent", {})
    node = queue("node")

    counts = await node.getJobCounts("wait", "delayed", "prioritized")
    listed = await node.getJobs(["wait", "delayed", "prioritized"])

    assert counts == {"wait": 3, "delayed": 1, "prioritized": 1}
    assert len(listed) == 5
    assert {job.name for job in listed} == {"node-echo", "node-urgent"}
