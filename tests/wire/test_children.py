"""Parents and children across both languages: each flag, from either side."""

from __future__ import annotations

from typing import Any

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
    Object.entries(found).map(([key, value]) => [key.split('-').pop(), value]));
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
        id=f"{policy}-top",
        children=[
            Tree("refused", id=f"{policy}-bad", on_failure=policy),
            Tree("echo", id=f"{policy}-good", delay=delay),
        ],
    )


NODE_ADDS = """
for (const [policy, option] of Object.entries(args.options)) {
    const opts = {jobId: `${policy}-bad`, ...(option && {[option]: true})};
    const delay = policy === 'continue' ? 3_600_000 : 0;
    const children = [
        {name: 'refused', queueName: 'orders', opts},
        {name: 'echo', queueName: 'orders', opts: {jobId: `${policy}-good`, delay}},
    ];
    await flows().add(
        {name: 'family', queueName: 'orders', opts: {jobId: `${policy}-top`}, children});
}
"""
OPTIONS = {policy: option for policy, (option, _) in POLICIES.items()}

READ_OPTS = """
const bad = (policy) => queue('orders').getJob(`${policy}-bad`);
const read = async (policy) => [policy, (await bad(policy)).opts];
return Object.fromEntries(await Promise.all(Object.keys(args.options).map(read)));
"""


async def test_a_child_is_stored_as_node_stores_it(node, client, redis, keys) -> None:
    async def read() -> list[Any]:
        jobs = [keys.job(f"{policy}-bad") for policy in POLICIES]
        links = [await redis.hmget(job, "parent", "parentKey") for job in jobs]
        stored = await node.run(READ_OPTS, options=OPTIONS)
        return [links, {policy: pick_flags(opts) for policy, opts in stored.items()}]

    for policy in POLICIES:
        await client.add_tree(family(policy))
    ours = await read()
    await redis.delete(*await redis.keys(f"{keys.base}*"))

    await node.run(NODE_ADDS, options=OPTIONS)

    assert ours == await read()


def pick_flags(opts: dict[str, Any]) -> dict[str, Any]:
    """What a job's options say of its parent."""
    names = {"parent", *OPTIONS.values()}
    return {name: value for name, value in opts.items() if name in names}


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


async def test_node_works_trees_that_we_added(node, client) -> None:
    trees = {policy: await client.add_tree(family(policy)) for policy in POLICIES}

    await node.run(NODE_WORKS)
    await are_worked(node)

    for policy, (_, result) in POLICIES.items():
        if result is not None:
            assert await trees[policy].job.result("8s") == result
    failed = await trees["fail"].job.children()
    assert [child.stand for child in failed if child.id == "fail-bad"] == ["failed"]


async def test_we_work_flows_that_node_added(node, client, toril_run) -> None:
    await node.run(NODE_ADDS, options=OPTIONS)
    async with toril_run():
        await are_worked(node)

        for policy, (_, result) in POLICIES.items():
            if result is not None:
                found = await client.job("orders", f"{policy}-top").result("8s")
                results, ignored = ({key.split("-")[1]: of[key] for key in of} for of in found)
                assert (list(results), ignored) == (list(result[0]), result[1])


async def are_worked(node: Any) -> None:
    """Waits for the parents that have no result."""
    await node.run(WAIT_FOR, id="fail-top", state="failed")
    await node.run(WAIT_FOR, id="wait-bad", state="failed")
    await node.run(WAIT_FOR, id="wait-good", state="completed")
    await node.run(WAIT_FOR, id="wait-top", state="waiting-children")


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
