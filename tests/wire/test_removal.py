"""Removing: what either side drains, cleans, obliterates and removes, as the other side sees it."""

from __future__ import annotations

import pytest

from toril.errors import WrongState
from toril.runtime.flows import step_job_id

OLD_MS = 1_700_000_000_000


@pytest.fixture
def queue(client):
    return client.queue("orders")


async def left(node) -> dict[str, int]:
    counts = await node.run("return await queue('orders').getJobCounts()")
    return {state: count for state, count in counts.items() if count}


FAMILY = """
const tree = await flows().add({name: 'top', queueName: 'orders', data: {}, opts: {jobId: 'top'},
  children: args.children.map((id) => (
    {name: 'leaf', queueName: 'orders', data: {}, opts: {jobId: id}}))});
"""


async def test_toril_drains_what_node_added(node, queue):
    await node.run(
        """
        await queue('orders').addBulk([1, 2, 3].map((n) => ({name: 'a', data: {n}})));
        await queue('orders').add('b', {}, {priority: 3});
        await queue('orders').add('c', {}, {delay: 60000, deduplication: {id: 'd'}});
        await queue('orders').upsertJobScheduler('beat', {every: 60000}, {name: 'tick'});
        """
    )

    assert await queue.drain(delayed=True) == 5

    assert await left(node) == {"waiting": 1}
    assert await node.run("return await queue('orders').getDeduplicationJobId('d')") is None
    assert await node.run("return (await queue('orders').getJobSchedulers()).length") == 1


async def test_node_drains_what_toril_added(node, client, queue):
    await client.add_many("echo", [{}, {}])
    await client.add("echo", priority=3)
    await client.add("echo", delay="1h")

    await node.run("await queue('orders').drain(true)")

    counts = await queue.counts()
    assert (counts.waiting, counts.prioritized, counts.delayed) == (0, 0, 0)


async def test_both_drain_a_parent_with_its_last_child(node, queue):
    for drain in ("toril", "node"):
        await node.run(FAMILY, children=["x", "y"])
        if drain == "toril":
            await queue.drain()
        else:
            await node.run("await queue('orders').drain()")

        assert await left(node) == {}
        assert await node.run("return await queue('orders').getJob('top')") is None


FINISHED = """
const made = worker('orders', async (job) => { if (job.data.fail) throw new Error('no'); });
await queue('orders').addBulk(args.rows.map((data) => ({name: 'a', data})));
while ((await queue('orders').getJobCountByTypes('completed', 'failed')) < args.rows.length)
  await new Promise((done) => setTimeout(done, 5));
await made.close();
"""


async def test_both_clean_what_finished(node, client, queue):
    rows = [{}, {}, {}, {"fail": True}, {"fail": True}]
    await node.run(FINISHED, rows=rows)

    cleaned = await queue.clean("completed", limit=1)
    cleaned += await node.run("return await queue('orders').clean(0, 1, 'completed')")
    kept = await queue.clean("failed", older_than="1h")
    kept += await node.run("return await queue('orders').clean(3600000, 0, 'failed')")

    assert (len(cleaned), kept) == (2, [])
    assert await left(node) == {"completed": 1, "failed": 2}
    assert len(await queue.clean("failed")) == 2


async def test_node_hears_what_toril_cleaned(node, queue):
    await node.run(FINISHED, rows=[{}, {}, {}])
    await node.run(
        """
        kept.cleaned = new Promise((done) => events('orders').on('cleaned', done));
        await events('orders').waitUntilReady();
        """
    )

    await queue.clean("completed")

    assert await node.run("return (await kept.cleaned).count") == "3"


async def claim_both_and_lose_a_lock(node, redis, prefix):
    claimed = await node.run(
        """
        const idle = worker('orders', null, {autorun: false});
        return [(await idle.getNextJob('tok')).id, (await idle.getNextJob('tok')).id];
        """
    )
    old = f"{prefix}:orders:{claimed[0]}"
    await redis.delete(f"{old}:lock")
    await redis.hset(old, "processedOn", OLD_MS)


@pytest.mark.parametrize("state", ["waiting", "prioritized", "delayed", "active"])
async def test_a_state_is_cleaned_alike_by_both(node, queue, redis, prefix, state):
    add = {"prioritized": {"priority": 2}, "delayed": {"delay": 60_000}}.get(state, {})
    for cleaner in ("toril", "node"):
        await node.run(
            "await queue('orders').add('a', {}, {...args.add, timestamp: args.old})",
            add=add,
            old=OLD_MS,
        )
        await node.run("await queue('orders').add('new', {}, {...args.add})", add=add)
        if state == "active":
            await claim_both_and_lose_a_lock(node, redis, prefix)
        if cleaner == "toril":
            cleaned = await queue.clean(state, older_than="1m")
        else:
            name = {"waiting": "wait"}.get(state, state)
            cleaned = await node.run(
                "return await queue('orders').clean(60000, 0, args.name)", name=name
            )

        assert len(cleaned) == 1, cleaner
        assert await left(node) == {state: 1}, cleaner
        await queue.obliterate(force=True)


async def test_toril_obliterates_all_that_node_made(node, queue, redis, prefix):
    await node.run(FINISHED, rows=[{}, {"fail": True}])
    await node.run(FAMILY, children=["x", "y"])
    await node.run(
        """
        await queue('orders').add('a', {}, {delay: 60000, deduplication: {id: 'd'}});
        await queue('orders').upsertJobScheduler('beat', {every: 60000}, {name: 'tick'});
        await queue('orders').rateLimit(60000);
        await queue('orders').setGlobalConcurrency(3);
        """
    )

    await queue.obliterate()

    assert [key async for key in redis.scan_iter(match=f"{prefix}:orders:*")] == []


async def test_node_obliterates_what_toril_made(node, client, queue):
    await client.add_many("echo", [{}, {}])
    await client.start_flow("mixed", {"number": 1})

    await node.run(
        "await queue('orders').obliterate({force: true}); await queue('orders').resume()"
    )

    counts = await queue.counts()
    assert (counts.waiting, counts.completed, counts.paused) == (0, 0, False)


async def test_toril_removes_a_family_of_nodes(node, client):
    await node.run(FAMILY, children=["x", "y"])
    await node.run(
        """
        kept.removed = [];
        events('orders').on('removed', ({jobId, prev}) => kept.removed.push([jobId, prev]));
        await events('orders').waitUntilReady();
        """
    )

    assert await client.job("orders", "top").remove() == 3

    assert await left(node) == {}
    removed = await node.run(
        """
        while (kept.removed.length < 3) await new Promise((done) => setTimeout(done, 5));
        return kept.removed;
        """
    )
    assert sorted(removed) == [["top", "waiting-children"], ["x", "wait"], ["y", "wait"]]


async def test_node_removes_a_family_of_torils(node, client):
    run = await client.start_flow("mixed", {"number": 1})

    await node.run("await queue('orders').remove(args.id)", id=step_job_id(run.run, "sum"))

    assert await left(node) == {}
    assert (await client.queue("node").counts()).waiting == 0


async def test_pending_children_are_removed_alike_by_both(node, client):
    for remover in ("toril", "node"):
        await node.run(FAMILY, children=["x", "y", "z"])
        await node.run("await worker('orders', null, {autorun: false}).getNextJob('tok')")
        if remover == "toril":
            await client.job("orders", "top").remove_pending_children()
        else:
            await node.run(
                "await (await queue('orders').getJob('top')).removeUnprocessedChildren()"
            )

        assert await left(node) == {"active": 1, "waiting-children": 1}, remover
        await client.queue("orders").obliterate(force=True)


async def test_a_child_is_unlinked_alike_by_both(node, client):
    for unlinker in ("toril", "node"):
        await node.run(FAMILY, children=["x"])
        if unlinker == "toril":
            assert await client.job("orders", "x").unlink_from_parent()
        else:
            assert await node.run(
                "return await (await queue('orders').getJob('x')).removeChildDependency()"
            )

        assert await left(node) == {"waiting": 2}, unlinker
        child = await client.job("orders", "x").refresh()
        assert child.parent_key is None
        await client.queue("orders").obliterate()


async def test_what_node_runs_cannot_be_removed(node, client):
    await node.run("await queue('orders').add('a', {}, {jobId: 'a'})")
    await node.run("await worker('orders', null, {autorun: false}).getNextJob('tok')")

    with pytest.raises(WrongState):
        await client.job("orders", "a").remove()

    with pytest.raises(WrongState):
        await client.queue("orders").obliterate()
