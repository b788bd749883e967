"""Parents and children across both languages: each flag, from either side."""

from __future__ import annotations

import pytest

from toril import Tree

#: Toril's word, Node's option, what a parent with results and ignored failures gives then.
POLICIES = {
    "ignore": ("ignoreDependencyOnFailure", [{"good": 1}, {"bad": "no such account"}]),
    "continue": ("continueParentOnFailure", [{}, {"bad": "no such account"}]),
    "remove": ("removeDependencyOnFailure", [{"good": 1}, {}]),
    "fail": ("failParentOnFailure", None),
    "wait": (None, None),
}

#: A parent that goes on at once has no results yet, and removes the child that is pending.
NODE_WORKS = """
const byId = (found) => Object.fromEntries(
    Object.entries(found).map(([key, value]) => [key.split(':').pop(), value]));
worker('orders', async (job) => {
    if (job.name === 'refused') throw new UnrecoverableError('no such account');
    if (job.name === 'echo') return 1;
    const ignored = byId(await job.getIgnoredChildrenFailures());
    if (Object.keys(ignored).length > 0) await job.removeUnprocessedChildren();
    return [byId(await job.getChildrenValues()), ignored];
});
"""

WAIT_FOR = """
while ((await queue('orders').getJobState(args.id)) !== args.state)
    await new Promise((done) => setTimeout(done, 5));
"""


def family(policy: str) -> Tree:
    delay = "1h" if policy == "continue" else None
    return Tree(
        "family",
        id="top",
        children=[
            Tree("refused", id="bad", on_failure=policy),
            Tree("echo", id="good", delay=delay),
        ],
    )


@pytest.mark.parametrize("policy", POLICIES)
async def test_a_child_is_stored_as_node_stores_it(node, client, redis, keys, policy) -> None:
    await client.add_tree(family(policy))
    ours = await redis.hmget(keys.job("bad"), "parent", "parentKey")
    ours_opts = await node.run("return (await queue('orders').getJob('bad')).opts")
    await redis.delete(*await redis.keys(f"{keys.base}*"))

    option = POLICIES[policy][0]
    await node.run(
        """
        const opts = {jobId: 'bad', ...(args.option ? {[args.option]: true} : {})};
        await flows().add({name: 'family', queueName: 'orders', opts: {jobId: 'top'},
                           children: [{name: 'refused', queueName: 'orders', opts}]});
        """,
        option=option,
    )

    assert ours == await redis.hmget(keys.job("bad"), "parent", "parentKey")
    theirs_opts = await node.run("return (await queue('orders').getJob('bad')).opts")
    flags = {"parent", option} - {None}
    assert {name: ours_opts.get(name) for name in flags} == {
        name: theirs_opts.get(name) for name in flags
    }


async def test_node_reads_our_tree(node, client) -> None:
    await client.add_tree(
        Tree("family", id="top", children=[family_of("left"), family_of("right")])
    )

    seen = await node.run(
        """
        const walk = ({job, children}) => [job.id, (children ?? []).map(walk).sort()];
        const top = await queue('orders').getJob('top');
        return [walk(await flows().getFlow({id: 'top', queueName: 'orders'})),
                await top.getDependenciesCount(), await top.getState()];
        """
    )

    assert seen == [
        ["top", [["left", [["left-leaf", []]]], ["right", [["right-leaf", []]]]]],
        {"processed": 0, "unprocessed": 2, "ignored": 0, "failed": 0},
        "waiting-children",
    ]


def family_of(name: str) -> Tree:
    return Tree("family", id=name, children=[Tree("echo", id=f"{name}-leaf")])


@pytest.mark.parametrize("policy", POLICIES)
async def test_node_works_a_tree_that_we_added(node, client, policy) -> None:
    _, result = POLICIES[policy]
    tree = await client.add_tree(family(policy))

    await node.run(NODE_WORKS)

    if result is not None:
        assert await tree.job.result("8s") == result
    elif policy == "fail":
        await node.run(WAIT_FOR, id="top", state="failed")
        assert [c.stand for c in await tree.job.children() if c.id == "bad"] == ["failed"]
    else:
        await node.run(WAIT_FOR, id="good", state="completed")
        assert await tree.job.state() == "waiting-children"


@pytest.mark.parametrize("policy", POLICIES)
async def test_we_work_a_flow_that_node_added(node, client, toril_run, policy) -> None:
    option, result = POLICIES[policy]
    await node.run(
        """
        const flag = args.option ? {[args.option]: true} : {};
        await flows().add({name: 'family', queueName: 'orders', opts: {jobId: 'top'}, children: [
            {name: 'refused', queueName: 'orders', opts: {jobId: 'bad', ...flag}},
            {name: 'echo', queueName: 'orders', opts: {jobId: 'good', delay: 300}},
        ]});
        """,
        option=option,
        delay=3_600_000 if policy == "continue" else 0,
    )
    async with toril_run():
        if result is not None:
            results, ignored = await client.job("orders", "top").result("8s")
            assert (list(results), ignored) == (list(result[0]), result[1])
        else:
            await node.run(WAIT_FOR, id="good", state="completed")
            state = "failed" if policy == "fail" else "waiting-children"
            await node.run(WAIT_FOR, id="top", state=state)


async def test_our_running_job_waits_for_a_child_that_node_works(
    node, client, toril_run, redis, keys
) -> None:
    async with toril_run():
        job = await client.add("asks", {"n": 1}, id="asks-1")
        await node.run(WAIT_FOR, id="asks-1", state="waiting-children")
        await node.run("worker('node', async (job) => ({by: 'node', ...job.data}))")

        assert await job.result("8s") == [{"by": "node", "n": 1}]
    events = [
        [event[b"event"].decode(), event.get(b"prev", b"").decode()]
        for _, event in await redis.xrange(keys.events)
        if event.get(b"jobId") == b"asks-1"
    ]
    assert events == [
        ["added", ""],
        ["waiting", ""],
        ["active", "waiting"],
        ["waiting-children", "active"],
        ["waiting", "waiting-children"],
        ["active", "waiting"],
        ["completed", "active"],
    ]


async def test_nodes_running_job_waits_for_a_child_that_we_work(node, client, toril_run) -> None:
    await node.run(
        """
        worker('node', async (job, token) => {
            if (Object.keys(await job.getChildrenValues()).length === 0) {
                await queue('orders').add('echo', {n: 5},
                    {jobId: 'kid', parent: {id: job.id, queue: job.queueQualifiedName}});
                if (await job.moveToWaitingChildren(token)) throw new WaitingChildrenError();
            }
            return Object.values(await job.getChildrenValues());
        });
        """
    )
    async with toril_run():
        job = await client.add("node-echo", {})

        assert await job.result("8s") == [{"got": {"n": 5}, "attempt": 1}]


async def test_a_failure_climbs_through_both(node, client, toril_run, redis, keys) -> None:
    tree = await client.add_tree(
        Tree(
            "family",
            id="top",
            children=[Tree("node-echo", id="mid", children=[Tree("refused", id="leaf")])],
        )
    )
    await node.run("worker('node', async () => 'never runs')")
    async with toril_run():
        await node.run(WAIT_FOR, id="top", state="failed")

    leaf, mid = keys.job("leaf"), keys.of("node").job("mid")
    assert (await redis.hget(mid, "failedReason")).decode() == f"child {leaf} failed"
    assert (await tree.job.refresh()).failed_reason == f"child {mid} failed"


async def test_a_retried_child_takes_its_place_again(node, client, toril_run) -> None:
    await client.add_tree(
        Tree("family", id="top", children=[Tree("node-echo", id="kid", on_failure="fail")])
    )
    await node.run(
        """
        kept.tries = 0;
        worker('node', async () => {
            if (++kept.tries === 1) throw new UnrecoverableError('not yet');
            return 5;
        });
        """
    )
    async with toril_run():
        await node.run(WAIT_FOR, id="top", state="failed")
        await client.job("node", "kid").retry()
        await node.run("while (kept.tries < 2) await new Promise((done) => setTimeout(done, 5));")
        assert await client.job("node", "kid").result("4s") == 5
        await client.job("orders", "top").retry()

        assert await client.job("orders", "top").result("8s") == [{"kid": 5}, {}]
