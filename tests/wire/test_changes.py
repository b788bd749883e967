"""Changing jobs by hand: Toril acts and Node observes, Node acts and Toril observes."""

from __future__ import annotations

import pytest

LOOK = """
  const q = queue('node');
  const jobs = {};
  for (const id of args.ids) {
    const job = await q.getJob(id);
    jobs[id] = {state: await job.getState(), data: job.data, delay: job.delay,
                priority: job.priority, progress: job.progress, made: job.attemptsMade,
                logs: (await q.getJobLogs(id)).logs};
  }
  return jobs;
"""

#: A Node worker that fails what it is told to.
WORK = """
  worker('node', async (job) => {
    if (job.data.fails) throw new Error('no');
    return job.data;
  });
  const q = queue('node');
  while ((await q.getFailedCount()) + (await q.getCompletedCount()) < args.count) {
    await new Promise((done) => setTimeout(done, 5));
  }
  await queue('node').pause();
"""


async def look(peer, *job_ids: str):
    return await peer.run(LOOK, ids=job_ids)


async def test_node_reads_what_toril_changed_of_a_job(peer, client):
    job = await client.add("node-echo", {"n": 1}, id="a", delay="1h")

    await job.update_data({"n": 2})
    await job.update_progress({"page": 3})
    for n in range(4):
        await job.log(f"line {n}")
    await job.clear_logs(keep=2)
    await job.change_delay("2h")
    await job.change_priority(5)

    assert await look(peer, "a") == {
        "a": {
            "state": "delayed",
            "data": {"n": 2},
            "delay": 7_200_000,
            "priority": 5,
            "progress": {"page": 3},
            "made": 0,
            "logs": ["line 2", "line 3"],
        }
    }


async def test_toril_reads_what_node_changed_of_a_job(peer, client):
    job = await client.add("node-echo", {"n": 1}, id="a", delay="1h")

    await peer.run(
        """
        const job = await queue('node').getJob('a');
        await job.updateData({n: 2});
        await job.updateProgress({page: 3});
        for (const n of [0, 1, 2, 3]) await job.log(`line ${n}`);
        await job.clearLogs(2);
        await job.changeDelay(7_200_000);
        await job.changePriority({priority: 5});
        """
    )

    stored = await job.refresh()
    assert (stored.data, stored.progress) == ({"n": 2}, {"page": 3})
    assert (stored.delay_ms, stored.priority) == (7_200_000, 5)
    assert await job.logs() == ["line 2", "line 3"]
    assert await job.state() == "delayed"


async def test_a_shorter_delay_reaches_an_idle_node_worker(node, client):
    await node.run("await worker('node', async (job) => job.data).waitUntilReady()")
    job = await client.add("node-echo", {"n": 1}, delay="1h")
    await node.run("await new Promise((done) => setTimeout(done, 100))")

    await job.change_delay("50ms")

    # Without its marker the worker would look again after ten seconds.
    assert await job.result(timeout="6s") == {"n": 1}


@pytest.mark.parametrize("actor", ["toril", "node"])
async def test_both_order_changed_priorities_alike(node, client, redis, prefix, actor):
    for job_id, priority in (("a", 0), ("b", 3), ("c", 3), ("d", 5)):
        await client.add("node-echo", id=job_id, priority=priority)
    changes = [("a", 3, False), ("d", 3, True), ("b", 0, True)]

    for job_id, priority, lifo in changes:
        if actor == "toril":
            await client.job("node", job_id).change_priority(priority, lifo=lifo)
        else:
            await node.run(
                "await (await queue('node').getJob(args.id)).changePriority(args)",
                id=job_id,
                priority=priority,
                lifo=lifo,
            )

    assert await redis.lrange(f"{prefix}:node:wait", 0, -1) == [b"b"]
    scores = await redis.zrange(f"{prefix}:node:prioritized", 0, -1, withscores=True)
    assert scores == [(b"d", 3 * 2**32), (b"c", 3 * 2**32 + 2), (b"a", 3 * 2**32 + 4)]


async def test_the_same_change_makes_the_same_events(node, client, redis, prefix):
    for side in ("toril", "node"):
        await client.add("node-echo", id=side, delay="1h")
    await client.job("node", "toril").promote()
    await node.run("await (await queue('node').getJob('node')).promote()")
    for side in ("toril", "node"):
        await client.add("node-echo", id=f"{side}-2", delay="1h")
    last = (await redis.xrevrange(f"{prefix}:node:events", count=1))[0][0]

    handle = client.job("node", "toril-2")
    await handle.change_delay(0)
    await handle.change_priority(2)
    await handle.update_progress(7)
    await node.run(
        """
        const job = await queue('node').getJob('node-2');
        await job.changeDelay(0);
        await job.changePriority({priority: 2});
        await job.updateProgress(7);
        """
    )

    events = [f for _, f in await redis.xrange(f"{prefix}:node:events", min=b"(" + last)]
    names = [
        [event[b"event"] for event in events if event[b"jobId"].startswith(side)]
        for side in (b"toril", b"node")
    ]
    assert names[0] == names[1] == [b"delayed", b"progress"]
    assert all(event.keys() <= {b"event", b"jobId", b"delay", b"data"} for event in events)


async def test_node_runs_all_that_toril_promoted(node, client):
    await client.add_many("node-echo", [{"n": 0}])
    for n in range(5):
        await client.add("node-echo", {"n": n}, delay="1h", priority=n)

    assert await client.queue("node").promote_jobs() == 5

    await node.run(WORK, count=6)
    counts = await client.queue("node").counts()
    assert (counts.completed, counts.delayed) == (6, 0)


async def test_toril_runs_all_that_node_promoted(node, client, toril_run):
    jobs = [await client.add("echo", {"n": n}, delay="1h") for n in range(5)]

    await node.run("await queue('orders').promoteJobs()")

    async with toril_run():
        for job in jobs:
            await job.result(timeout="8s")


async def test_node_runs_all_that_toril_retried(node, client):
    jobs = await client.add_many("node-echo", [{"fails": True}] * 3)
    await node.run(WORK, count=3)

    done = await client.queue("node").retry_jobs()

    assert done.retried == 3
    waiting = await look(node, *(job.id for job in jobs))
    assert {(job["state"], job["made"]) for job in waiting.values()} == {("waiting", 0)}
    for job in jobs:
        await job.update_data({"n": 1})
    await node.run("await queue('node').resume()")
    for job in jobs:
        assert await job.result(timeout="8s") == {"n": 1}


async def test_toril_runs_all_that_node_retried(peer, client, toril_run):
    await peer.run(
        """
        const w = worker('orders', async () => { throw new Error('no'); });
        const q = queue('orders');
        await q.addBulk([1, 2, 3].map((n) => ({name: 'echo', data: {n}, opts: {jobId: `j${n}`}})));
        while ((await q.getFailedCount()) < 3) await new Promise((done) => setTimeout(done, 5));
        await w.close();
        await q.retryJobs();
        """
    )

    async with toril_run():
        for n in (1, 2, 3):
            result = await client.job("orders", f"j{n}").result(timeout="8s")
            assert result["got"] == {"n": n}
