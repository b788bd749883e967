"""Dead letters beside Node: it sees and handles them, and its flows go on after a replay."""

from __future__ import annotations

from pathlib import Path

import pytest

DEAD = """
queues:
  letters:
  abroad: {served_by: external}
jobs:
  lost: {queue: orders, use: wire.refused, dead_letter: letters}
  told: {queue: orders, use: wire.refused, dead_letter: abroad}
  tell: {queue: abroad, retry: 2, priority: 3}
"""


@pytest.fixture
def pipeline_folder(pipeline_folder: Path) -> Path:
    """The wire pipeline, with jobs that leave dead letters."""
    (pipeline_folder / "dead.yaml").write_text(DEAD)
    return pipeline_folder


async def fails(job) -> None:
    ending = await job.wait(timeout="10s")
    assert ending.state == "failed"


async def test_node_sees_a_letter_as_a_job_like_any_other(node, client, toril_run):
    async with toril_run():
        job = await client.add("lost", {"n": 1})
        await fails(job)

    seen = await node.run(
        """
        const [job] = await queue('letters').getWaiting();
        const {id, name, data, opts, attemptsMade} = job;
        const counts = await queue('letters').getJobCounts();
        return {id, name, data, attemptsMade, waiting: counts.waiting};
        """
    )
    assert seen["id"] == f"orders.{job.id}.1"
    assert (seen["name"], seen["attemptsMade"], seen["waiting"]) == ("dead-letter", 0, 1)
    assert seen["data"]["data"] == {"n": 1}
    assert seen["data"]["error"] == {"type": "Unrecoverable", "message": "no such account"}


async def test_node_handles_letters(node, client, toril_run):
    await node.run(
        """
        kept.letters = [];
        worker('abroad', async (job) => {
          kept.letters.push([job.name, job.data, job.opts.attempts, job.opts.priority]);
          if (job.attemptsMade === 0) throw new Error('not yet');
        });
        """
    )
    async with toril_run():
        job = await client.add("told", {"n": 2})
        await fails(job)
        letter = client.job("abroad", f"orders.{job.id}.1")
        ending = await letter.wait(timeout="10s")

    [first, second] = await node.run("return kept.letters")
    assert ending.state == "completed"
    assert first == second
    assert (first[0], first[2:]) == ("tell", [2, 3])
    assert (first[1]["id"], first[1]["data"]) == (job.id, {"n": 2})


@pytest.mark.parametrize("is_kept", [True, False])
async def test_a_flow_of_nodes_goes_on_with_a_child_that_is_sent_back(
    node, client, toril_run, is_kept
):
    await node.run("worker('node', async (job) => Object.values(await job.getChildrenValues()))")
    async with toril_run():
        parent = await node.run(
            """
            const flow = await flows().add({
              name: 'sum', queueName: 'node', data: {},
              children: [{
                name: 'lost', queueName: 'orders', data: {n: 3}, opts: {jobId: 'c', ...args.opts},
              }],
            });
            return flow.job.id;
            """,
            opts={"removeOnFail": not is_kept, "failParentOnFailure": True},
        )
        await fails(client.job("node", parent))
    assert await client.dead_letters("letters").replay("orders.c.1") == 1

    await client.job("node", parent).retry()
    await node.run("worker('orders', async (job) => job.data.n)")
    assert await client.job("node", parent).result(timeout="10s") == [3]
