"""Asking: what both sides say of one queue, its jobs, its workers, its metrics."""

from __future__ import annotations

import pytest

from toril.errors import JobNotFound
from toril.runtime.calls.queues import count_delayed
from toril.runtime.states import JobState

#: A job in each state, and more than one where the order shows.
FILL = """
const orders = queue('orders');
const made = worker('orders', async (job) => {
  if (job.data.fail) throw new Error('no');
  return 7;
});
await orders.addBulk([1, 2, 3].map((n) => ({name: 'a', data: {}, opts: {jobId: `done${n}`}})));
await orders.addBulk([1, 2].map((n) => ({name: 'a', data: {fail: 1}, opts: {jobId: `bad${n}`}})));
while ((await orders.getJobCountByTypes('completed', 'failed')) < 5)
  await new Promise((done) => setTimeout(done, 5));
await made.close();
await orders.addBulk([1, 2, 3, 4].map((n) => ({name: 'a', data: {n}, opts: {jobId: `wait${n}`}})));
await worker('orders', null, {autorun: false}).getNextJob('tok');
await orders.addBulk([1, 2, 1].map((priority, n) => (
  {name: 'a', data: {}, opts: {jobId: `prio${n}`, priority}})));
for (const n of [1, 2, 3])
  await orders.add('a', {}, {jobId: `late${n}`, delay: n * 60000, timestamp: args.now});
await flows().add({name: 'top', queueName: 'orders', data: {}, opts: {jobId: 'top'},
  children: [{name: 'leaf', queueName: 'other', data: {}, opts: {jobId: 'leaf'}}]});
"""
STATES = [state for state in JobState if state is not JobState.UNKNOWN]


@pytest.fixture
async def filled(node, client):
    now_ms = client.clock.now_ms()
    await node.run(FILL, now=now_ms)
    return now_ms


async def test_both_count_alike(node, client, filled):
    queue = client.queue("orders")
    counts = await queue.counts()

    assert await node.run("return await queue('orders').getJobCounts()") == {
        "active": counts.active,
        "completed": counts.completed,
        "delayed": counts.delayed,
        "failed": counts.failed,
        "prioritized": counts.prioritized,
        "waiting": counts.waiting,
        "waiting-children": counts.waiting_children,
    }
    assert (counts.active, counts.completed, counts.failed, counts.waiting) == (1, 3, 2, 3)

    priorities = await node.run("return await queue('orders').getCountsPerPriority([0, 1, 2])")
    assert priorities == {
        str(priority): count
        for priority, count in (await queue.count_priorities([0, 1, 2])).items()
    }


async def test_both_count_the_jobs_due_by_an_instant_alike(node, client, filled):
    for instant in (filled, filled + 60_000, filled + 60_001, filled + 10**9):
        ours = await client.send(count_delayed(client.keys("orders"), before_ms=instant))
        theirs = await node.run("return await queue('orders').getDelayedCount(args.at)", at=instant)

        assert ours == theirs, instant - filled


async def test_both_list_alike(node, client, redis, prefix, filled):
    await redis.delete(f"{prefix}:orders:wait3")
    wishes = [
        (states, first, count, newest_first)
        for states in (*([state] for state in STATES), [JobState.DELAYED, JobState.WAITING])
        for first, count in ((0, 50), (1, 2), (0, 1))
        for newest_first in (True, False)
    ]

    theirs = await node.run(
        """
        const list = async ([states, first, count, newestFirst]) => {
          const last = first + count - 1;
          const jobs = await queue('orders').getJobs(states, first, last, !newestFirst);
          return jobs.map((job) => job.id);
        };
        return await Promise.all(args.wishes.map(list));
        """,
        wishes=wishes,
    )

    for wish, ids in zip(wishes, theirs, strict=True):
        states, first, count, newest_first = wish
        found = await client.queue("orders").jobs(
            *states, first=first, count=count, newest_first=newest_first
        )
        assert [one.job.id for one in found] == ids, wish


async def test_both_say_the_same_of_each_job(node, client, filled):
    ids = ["done1", "bad1", "wait1", "wait2", "prio1", "late1", "top", "nope"]
    theirs = await node.run(
        """
        return await Promise.all(args.ids.map(async (id) => [
          await queue('orders').getJobState(id),
          await queue('orders').getJob(id).then((job) => job?.isCompleted() ?? false),
          await queue('orders').getJob(id).then((job) => job?.isFailed() ?? false),
        ]));
        """,
        ids=ids,
    )
    handles = [client.job("orders", one) for one in ids]
    states = [await handle.state() for handle in handles]

    assert [
        [state.value, state is JobState.COMPLETED, state is JobState.FAILED] for state in states
    ] == theirs
    assert await handles[0].result(timeout="8s") == 7
    with pytest.raises(JobNotFound):
        await handles[-1].result(timeout="8s")


async def test_toril_sees_nodes_workers(node, client):
    await node.run(
        """
        await worker('orders', async () => 1).waitUntilReady();
        await worker('orders', async () => 1, {name: 'w1'}).waitUntilReady();
        while ((await queue('orders').getWorkersCount()) < 2)
          await new Promise((done) => setTimeout(done, 5));
        """
    )

    found = await client.queue("orders").workers()
    theirs = await node.run("return await queue('orders').getWorkers()")

    assert sorted(one.name or "" for one in found) == ["", "w1"]
    assert sorted(one.address for one in found) == sorted(one["addr"] for one in theirs)


METRICS = """
while ((await queue('orders').getCompletedCount()) < args.completed)
  await new Promise((done) => setTimeout(done, 5));
const {meta, data, count} = await queue('orders').getMetrics('completed');
return {count: meta.count, data: data.map(Number), minutes: count};
"""


async def test_metrics_go_on_from_one_side_to_the_other(
    node, client, redis, pipeline_folder, toril_run
):
    async def pass_minutes(minutes: int) -> None:
        counted = f"{client.keys('orders').base}metrics:completed"
        before = int(await redis.hget(counted, "prevTS"))
        await redis.hset(counted, "prevTS", before - 60_000 * minutes)

    work = pipeline_folder / "work.yaml"
    work.write_text(work.read_text().replace("concurrency: 4,", "concurrency: 4, metrics: 1h,"))
    async with toril_run():
        for job in await client.add_many("echo", [{}, {}]):
            await job.result(timeout="10s")
        await pass_minutes(3)
        await (await client.add("echo")).result(timeout="10s")
    ours = await node.run(METRICS, completed=3)

    await node.run("worker('orders', async () => 1, {metrics: {maxDataPoints: 60}})")
    await pass_minutes(2)
    await (await client.add("echo")).result(timeout="10s")
    theirs = await node.run(METRICS, completed=4)
    metrics = await client.queue("orders").metrics("completed")

    # A minute may end at any moment, so there may be one more.
    assert (ours["count"], sum(ours["data"])) == (3, 2)
    assert len(ours["data"]) >= 3
    assert theirs == {
        "count": metrics.count,
        "data": list(metrics.per_minute),
        "minutes": metrics.minutes,
    }
    assert (metrics.count, sum(metrics.per_minute)) == (4, 3)
    assert metrics.minutes >= len(ours["data"]) + 2
