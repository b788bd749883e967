"""Limits over all workers of a queue: set by one side, read and kept by the other."""

from __future__ import annotations

import pytest

from toril.declarations.units import Rate

COUNTED = """
  kept.running = kept.most = kept.ran = 0;
  worker('node', async () => {
    kept.running += 1; kept.ran += 1;
    kept.most = Math.max(kept.most, kept.running);
    await new Promise((done) => setTimeout(done, 20));
    kept.running -= 1;
  }, {concurrency: 10, ...args.options});
"""


async def test_node_reads_and_lifts_the_limits_that_toril_set(peer, client):
    queue = client.queue("node")
    await queue.set_max_active(3)
    await queue.set_rate_limit("7/2s")

    read = await peer.run(
        """
        const q = queue('node');
        const read = [await q.getGlobalConcurrency(), await q.getGlobalRateLimit()];
        await q.removeGlobalConcurrency();
        await q.removeGlobalRateLimit();
        return read;
        """
    )

    assert read == [3, {"max": 7, "duration": 2_000}]
    limits = await queue.limits()
    assert (limits.max_active, limits.rate) == (None, None)


async def test_toril_reads_and_lifts_the_limits_that_node_set(peer, client):
    queue = client.queue("node")
    await peer.run(
        """
        await queue('node').setGlobalConcurrency(3);
        await queue('node').setGlobalRateLimit(7, 2000);
        """
    )

    limits = await queue.limits()
    await queue.set_max_active(None)
    await queue.set_rate_limit(None)

    assert (limits.max_active, limits.rate) == (3, Rate(7, 2_000))
    read = await peer.run(
        """
        const q = queue('node');
        return [await q.getGlobalConcurrency(), await q.getGlobalRateLimit()];
        """
    )
    assert read == [None, None]


async def test_a_node_worker_keeps_torils_bound_on_active_jobs(node, client):
    await client.queue("node").set_max_active(2)
    jobs = await client.add_many("node-echo", [{}] * 8)

    await node.run(COUNTED)
    for job in jobs:
        await job.result(timeout="8s")

    assert await node.run("return kept.most") == 2


async def test_a_wider_bound_wakes_an_idle_node_worker(node, client):
    queue = client.queue("node")
    await queue.set_max_active(1)
    await node.run(
        """
        kept.go = new Promise((done) => { kept.open = done; });
        for (const name of ['one', 'two']) {
          await worker('node', async () => { await kept.go; }).waitUntilReady();
        }
        """
    )
    jobs = await client.add_many("node-echo", [{}] * 2)
    await node.run(
        """
        const q = queue('node');
        while ((await q.getActiveCount()) < 1) await new Promise((done) => setTimeout(done, 5));
        """
    )

    await queue.set_max_active(2)

    # Without a marker an idle Node worker sleeps for five seconds.
    await node.run(
        """
        const q = queue('node');
        while ((await q.getActiveCount()) < 2) await new Promise((done) => setTimeout(done, 5));
        kept.open();
        """,
        within_s=2,
    )
    for job in jobs:
        await job.result(timeout="8s")


async def test_a_node_worker_keeps_torils_rate(peer, client):
    await client.queue("node").set_rate_limit("3/1m")
    jobs = await client.add_many("node-echo", [{}] * 5)

    await peer.run(COUNTED, options={})
    for job in jobs[:3]:
        await job.result(timeout="8s")

    left = await peer.run("return queue('node').getRateLimitTtl()")
    assert await peer.run("return kept.ran") == 3
    limits = await client.queue("node").limits()
    assert 50_000 < limits.held_ms <= left <= 60_000
    assert (await client.queue("node").counts()).waiting == 2


async def test_toril_keeps_nodes_rate(node, client, toril_run):
    await node.run("await queue('orders').setGlobalRateLimit(3, 60_000)")
    jobs = await client.add_many("echo", [{}] * 5)

    async with toril_run():
        for job in jobs[:3]:
            await job.result(timeout="8s")
        left = await node.run("return queue('orders').getRateLimitTtl()")
        counts = await node.run("return queue('orders').getJobCounts()")

    assert 50_000 < left <= 60_000
    assert (counts["completed"], counts["waiting"]) == (3, 2)


@pytest.mark.parametrize("has_rate", [True, False], ids=["with a rate", "without"])
async def test_each_releases_the_limit_that_the_other_set_by_hand(node, client, has_rate):
    queue = client.queue("node")
    if has_rate:
        await queue.set_rate_limit("100/s")

    await queue.hold("1m")
    left = await node.run("return queue('node').getRateLimitTtl()")
    await node.run("await queue('node').removeRateLimitKey()")
    released = await queue.limits()
    await node.run("await queue('node').rateLimit(60_000)")
    held = await queue.limits()

    assert 50_000 < left <= 60_000
    assert released.held_ms == 0
    assert 50_000 < held.held_ms <= 60_000
    assert await queue.release_rate_limit()
    assert await node.run("return queue('node').getRateLimitTtl()") <= 0


async def test_toril_takes_nothing_while_node_holds_the_queue(node, client, toril_run):
    await node.run("await queue('orders').setGlobalRateLimit(100, 1000)")

    async with toril_run():
        since_ms = client.clock.now_ms()
        await node.run("await queue('orders').rateLimit(400)")
        job = await client.add("echo", {})
        await job.result(timeout="8s")

    started_ms = (await job.refresh()).processed_on_ms
    assert started_ms is not None
    assert started_ms >= since_ms + 400
