"""Node and Toril workers on one queue, and either one dying."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal


async def test_a_mixed_fleet_runs_each_job_once(node, client, toril_run):
    await node.run(
        """
        kept.ran = 0;
        worker('orders', async (job) => {
          kept.ran += 1;
          await new Promise((done) => setTimeout(done, 5));
          return {by: 'node'};
        }, {concurrency: 4});
        """
    )
    async with toril_run():
        jobs = await client.add_many("echo", [{"n": n} for n in range(300)])
        await node.run(
            "await queue('orders').addBulk(args.rows.map((n) => ({name: 'echo', data: {n}})))",
            rows=list(range(300)),
        )
        await asyncio.gather(*(job.result(timeout="20s") for job in jobs[-20:]))
        await node.run(
            """
            while ((await queue('orders').getCompletedCount()) < 600)
              await new Promise((done) => setTimeout(done, 20));
            """
        )
        counts = await node.run("return await queue('orders').getJobCounts()")
        started = await node.run(
            """
            const jobs = await queue('orders').getCompleted(0, -1);
            return jobs.map((job) => job.attemptsStarted);
            """
        )
        ran = await node.run("return kept.ran")

    assert counts["completed"] == 600
    assert sum(counts.values()) == 600
    assert started == [1] * 600
    assert 0 < ran < 600


async def test_what_a_node_worker_leaves_a_toril_worker_trims(node, client, toril_run):
    kept = await client.add_many("few-kept", [{"n": n} for n in range(5)])
    gone = await client.add("none-kept", {})
    await node.run(
        """
        kept.worker = worker('orders', async () => 'node');
        while ((await queue('orders').getWaitingCount()) + (await queue('orders').getActiveCount()))
          await new Promise((done) => setTimeout(done, 20));
        await kept.worker.close();
        """
    )
    left = await node.run("return (await queue('orders').getCompleted()).map((job) => job.id)")

    async with toril_run():
        last = await client.add("few-kept", {})
        await last.result(timeout="10s")
    trimmed = await node.run("return (await queue('orders').getCompleted()).map((job) => job.id)")

    assert sorted(left) == sorted(job.id for job in kept)
    assert gone.id not in left
    assert len(trimmed) == 2
    assert last.id in trimmed


async def test_a_scheduler_alternates_between_both(node, toril_run):
    await node.run(
        """
        worker('orders', async () => 'node');
        await queue('orders').upsertJobScheduler('beat', {every: 100}, {name: 'echo', data: {}});
        """
    )
    async with toril_run():
        await node.run(
            """
            while ((await queue('orders').getCompletedCount()) < 12)
              await new Promise((done) => setTimeout(done, 20));
            await queue('orders').removeJobScheduler('beat');
            """
        )
    ticks = await node.run(
        """
        const jobs = await queue('orders').getCompleted(0, -1);
        return jobs.map((job) => Number(job.id.split(':')[2])).sort();
        """
    )

    # A tick that comes later than the interval is long is left out, whoever computes it.
    gaps = [later - earlier for earlier, later in itertools.pairwise(ticks)]
    assert all(gap > 0 and gap % 100 == 0 for gap in gaps), gaps


async def test_toril_takes_over_from_a_killed_node_worker(server, prefix, node, client, toril_run):
    node_peer = type(node)
    async with node_peer(server.url.removeprefix("unix://"), prefix) as doomed:
        await doomed.run(
            """
            worker('orders', async () => { kept.started = true; await new Promise(() => {}); },
                   {lockDuration: 1000, stalledInterval: 1000});
            """
        )
        job = await client.add("echo", {"n": 1})
        await doomed.run("while (!kept.started) await new Promise((done) => setTimeout(done, 10))")
        os.kill(doomed.pid, signal.SIGKILL)

    async with toril_run():
        result = await job.result(timeout="12s")

    assert result == {"got": {"n": 1}, "attempt": 1}
    assert (await job.refresh()).stalled_count == 1


async def test_node_takes_over_from_a_killed_runner(node, client, toril_run):
    job = await client.add("slow", {"seconds": 60})
    async with toril_run() as runner:
        await node.run(
            """
            while ((await queue('orders').getActiveCount()) < 1)
              await new Promise((done) => setTimeout(done, 20));
            """
        )
        runner.kill()
        await runner.wait()
        await node.run("worker('orders', async () => 'node did it', {stalledInterval: 500})")

        assert await job.result(timeout="15s") == "node did it"
