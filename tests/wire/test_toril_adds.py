"""A Toril client adds, a Node worker works, Toril reads what became of it."""

from __future__ import annotations

import time

import pytest

from toril.errors import JobFailed

ECHO = """
  kept.seen = [];
  kept.worker = worker('node', async (job) => {
    kept.seen.push([job.name, job.data, Date.now(), job.opts]);
    await job.updateProgress({done: 1});
    await job.log('seen by node');
    if (job.data.fails) throw new Error('node says no');
    return job.data;
  }, args.options ?? {});
  await kept.worker.waitUntilReady();
"""


async def test_toril_reads_result_progress_and_logs(node, client):
    await node.run(ECHO)
    data = {"text": "žluťoučký 🐂", "float": 0.1, "list": [], "null": None, "big": 2**53}

    job = await client.add("node-echo", data)

    assert await job.result(timeout="8s") == data
    assert await job.state() == "completed"
    assert await job.logs() == ["seen by node"]
    assert (await job.refresh()).progress == {"done": 1}


async def test_a_failure_of_node_reaches_toril_after_its_retries(node, client):
    await node.run(ECHO)

    job = await client.add("node-echo", {"fails": True})

    with pytest.raises(JobFailed, match="node says no"):
        await job.result(timeout="8s")
    assert len(await node.run("return kept.seen")) == 2


async def test_node_runs_the_newest_of_a_lifo_job_type_first(node, client):
    for n in (1, 2, 3):
        await client.add("node-newest", {"n": n})

    await node.run(ECHO, options={"concurrency": 1})

    await node.run("while (kept.seen.length < 3) await new Promise((d) => setTimeout(d, 5))")
    seen = await node.run("return kept.seen")
    assert [(data["n"], opts["lifo"]) for _, data, _, opts in seen] == [
        (3, True),
        (2, True),
        (1, True),
    ]


@pytest.mark.parametrize(
    ("options", "delay_ms"),
    [({}, 0), ({"priority": 2}, 0), ({"lifo": True}, 0), ({"delay": "300ms"}, 300)],
    ids=str,
)
async def test_an_idle_node_worker_picks_the_job_up_at_once(node, client, options, delay_ms):
    await node.run(ECHO)
    await node.run("await new Promise((done) => setTimeout(done, 200))")

    added_ms = time.time() * 1000
    job = await client.add("node-echo", {}, **options)
    await job.result(timeout="8s")

    [[_, _, started_ms, _]] = await node.run("return kept.seen")
    # Without a marker an idle Node worker sleeps for five seconds.
    assert started_ms - added_ms - delay_ms < 3_000


async def test_a_burst_wakes_two_idle_node_workers(node, client):
    await node.run(
        """
        kept.by = [];
        const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
        for (const name of ['one', 'two']) {
          const w = worker('node', async () => { kept.by.push(name); await sleep(400); });
          await w.waitUntilReady();
        }
        await sleep(200);
        """
    )

    jobs = await client.add_many("node-echo", [{}, {}])
    for job in jobs:
        await job.result(timeout="8s")

    assert sorted(await node.run("return kept.by")) == ["one", "two"]


async def test_node_takes_jobs_in_torils_order(node, client):
    await client.add_many("node-echo", [{"n": 1}, {"n": 2}])
    await client.add("node-urgent", {"n": 5})
    await client.add("node-urgent", {"n": 4}, priority=1)
    last = await client.add("node-echo", {"n": 0}, lifo=True)

    await node.run(ECHO, options={"concurrency": 1})
    await last.result(timeout="8s")
    await node.run(
        """
        while (kept.seen.length < 5) await new Promise((done) => setTimeout(done, 10));
        """
    )

    seen = await node.run("return kept.seen.map(([, data]) => data.n)")
    assert seen == [0, 1, 2, 4, 5]


@pytest.mark.parametrize(
    ("options", "node_options"),
    [({}, {}), ({"delay": "60s"}, {"delay": 60_000}), ({"priority": 9}, {"priority": 9})],
    ids=str,
)
async def test_both_store_the_same_fields(node, client, redis, prefix, options, node_options):
    job = await client.add("node-echo", {"a": [1]}, **options)
    theirs = await node.run(
        """
        const job = await queue('node').add('node-echo', args.data, args.opts);
        return job.id;
        """,
        data={"a": [1]},
        opts=node_options,
    )

    ours_fields = await redis.hgetall(f"{prefix}:node:{job.id}")
    their_fields = await redis.hgetall(f"{prefix}:node:{theirs}")
    assert ours_fields.keys() == their_fields.keys()
    for name in (b"name", b"data", b"delay", b"priority"):
        assert ours_fields[name] == their_fields[name]


async def test_node_reads_torils_options(node, client):
    job = await client.add("node-echo", {})

    opts = await node.run("return (await queue('node').getJob(args.id)).opts", id=job.id)

    assert opts["attempts"] == 2
    assert opts["backoff"] == {"type": "exponential", "delay": 20}
    assert opts["removeOnComplete"] == 1000
    assert opts["removeOnFail"] == 10000


async def test_a_flow_of_both_runs_on_both(node, client, toril_run):
    await node.run(ECHO)
    async with toril_run():
        run = await client.start_flow("mixed", {"number": 20})

        assert await run.result(timeout="10s") == 41
        tree = await node.run(
            """
            const tree = await flows().getFlow({id: args.id, queueName: 'orders'});
            return {name: tree.job.name, children: tree.children.map((c) => c.job.name).sort()};
            """,
            id=(await run.state()).steps["sum"].job,
        )

    assert tree == {"name": "total", "children": ["echo", "node-echo"]}


async def test_node_counts_what_toril_added(node, client):
    await client.add_many("node-echo", [{}] * 3)
    await client.add("node-echo", {}, delay="1h")
    await client.add("node-urgent", {})

    counts = await node.run("return await queue('node').getJobCounts()")

    assert (counts["waiting"], counts["delayed"], counts["prioritized"]) == (3, 1, 1)


GATED = """
    worker('node', async (job) => {
      if (job.data.fails) throw new Error('not in node');
      return {number: job.data.number, by: 'node'};
    });
"""


@pytest.mark.parametrize(
    ("number", "left", "states"),
    [
        (20, {"result": {"number": 21, "by": "node"}, "state": "completed"}, "completed"),
        (-1, {"result": None, "state": "skipped"}, "skipped"),
        (60, {"result": None, "state": "ignored"}, "ignored"),
    ],
)
async def test_toril_does_for_steps_of_node_what_node_cannot(
    node, client, toril_run, number, left, states
):
    await node.run(GATED)
    async with toril_run():
        run = await client.start_flow("gated", {"number": number})
        view = await run.wait(timeout="20s")

    steps = view.steps
    assert view.state == "completed"
    assert steps["there"].state == states
    assert steps["left"].result["got"]["number"] == left
    assert [each["number"] for each in steps["right"].result["got"]["number"]] == [1, 2, 3]
    assert steps["there"].queue == "orders"


async def test_a_failed_job_of_node_behind_a_gate_is_retried_with_its_run(node, client, toril_run):
    await node.run(
        """
        worker('node', async (job) => {
          if (!kept.isWell) throw new Error('not in node');
          return {number: job.data.number};
        });
        """
    )
    async with toril_run():
        run = await client.start_flow("gated", {"number": 1})
        failed = await run.wait(timeout="20s")
        await node.run("kept.isWell = true")
        retried = await run.retry()
        view = await run.wait(timeout="20s")

    assert failed.state == "failed"
    assert failed.steps["each"].error.startswith("item ")
    assert failed.steps["there"].error == f"job '{run.run}.there.0' failed in queue 'node'"
    assert sorted(retried) == ["each", "right"]
    assert view.state == "completed"
    assert [each["number"] for each in view.steps["each"].result] == [1, 2, 3]


async def test_a_step_with_items_stands_between_steps_of_node(node, client, toril_run):
    await node.run(ECHO)
    async with toril_run():
        run = await client.start_flow("fanned", {}, run_id="r1")
        assert await run.result(timeout="10s") == {"done": True}

        seen = await node.run(
            """
            const tree = await flows().getFlow({id: 'r1.after', queueName: 'node'});
            const [each] = tree.children;
            const values = Object.values(await tree.job.getChildrenValues());
            return [each.job.id, each.children.map((c) => c.job.id).sort(), values];
            """
        )

    got = [{"attempt": 1, "got": {"number": number}} for number in (1, 2, 3)]
    children = [f"r1.each.{number}" for number in range(3)]
    assert seen == ["r1.each", [*children, "r1.list"], [got]]
