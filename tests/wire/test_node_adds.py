"""BullMQ for Node adds, `toril run` works, Node's own classes read what became of it."""

from __future__ import annotations

import asyncio
import json

import pytest

ADD_AND_WAIT = """
  const job = await queue('orders').add(args.name, args.data, args.opts);
  return [job.id, await job.waitUntilFinished(events('orders'), 8000)];
"""
READ = """
  const job = await queue('orders').getJob(args.id);
  return {...job.asJSON(), state: await job.getState(),
          logs: (await queue('orders').getJobLogs(args.id)).logs};
"""


async def test_node_reads_result_progress_and_logs(node, toril_run):
    async with toril_run():
        data = {"text": "žluťoučký 🐂", "float": 0.1, "list": [], "null": None, "big": 2**53}
        job_id, result = await node.run(ADD_AND_WAIT, name="echo", data=data, opts={})
        job = await node.run(READ, id=job_id)

    assert result == {"got": data, "attempt": 1}
    assert job["state"] == "completed"
    assert job["progress"] == 40
    assert job["logs"] == ["echo on orders"]
    assert (job["attemptsMade"], job["attemptsStarted"]) == (1, 1)
    assert job["finishedOn"] >= job["processedOn"] >= job["timestamp"]


async def test_node_hears_the_events_in_order(node, toril_run, wait_until):
    await node.run(
        """
        kept.heard = [];
        const names = ['added', 'waiting', 'active', 'progress', 'completed', 'drained'];
        for (const name of names)
          events('orders').on(name, (f) => kept.heard.push([name, f.jobId ? f : {}]));
        await events('orders').waitUntilReady();
        """
    )
    async with toril_run():
        job_id, _ = await node.run(ADD_AND_WAIT, name="echo", data={"a": 1}, opts={})

        async def has_heard_all():
            return await node.run("return kept.heard.some(([name]) => name === 'drained')")

        await wait_until(has_heard_all, within="3s", every=0.02)
    heard = await node.run("return kept.heard")

    of_job = [(name, fields) for name, fields in heard if fields.get("jobId") == job_id]
    assert [name for name, _ in of_job] == ["added", "waiting", "active", "progress", "completed"]
    assert of_job[2][1]["prev"] == "waiting"
    assert of_job[3][1]["data"] == 40
    assert of_job[4][1] == {
        "jobId": job_id,
        "returnvalue": {"got": {"a": 1}, "attempt": 1},
        "prev": "active",
    }
    assert heard[-1][0] == "drained"


async def test_delayed_and_prioritised_jobs_run(node, toril_run):
    async with toril_run():
        for opts in ({"delay": 150}, {"priority": 7}, {"delay": 50, "priority": 2}, {"lifo": True}):
            _, result = await node.run(ADD_AND_WAIT, name="echo", data={}, opts=opts)
            assert result["attempt"] == 1


async def test_retries_follow_nodes_own_options(node, toril_run):
    opts = {"attempts": 4, "backoff": {"type": "exponential", "delay": 5}}
    async with toril_run():
        job_id, result = await node.run(ADD_AND_WAIT, name="flaky", data={}, opts=opts)
        job = await node.run(READ, id=job_id)

    assert result == 3
    assert job["attemptsMade"] == 3
    traces = json.loads(job["stacktrace"])
    assert [trace.splitlines()[-1] for trace in traces] == [
        "ConnectionError: attempt 1 found nobody",
        "ConnectionError: attempt 2 found nobody",
    ]


async def test_the_declared_retry_applies_where_node_says_nothing(node, toril_run):
    async with toril_run():
        _, result = await node.run(ADD_AND_WAIT, name="flaky", data={}, opts={})

    assert result == 3


@pytest.mark.parametrize(("name", "reason"), [("refused", "no such account"), ("nobody", "nobody")])
async def test_a_failure_reaches_node(node, toril_run, name, reason):
    async with toril_run():
        failure = await node.run(
            """
            const job = await queue('orders').add(args.name, {}, {attempts: 5});
            try { return await job.waitUntilFinished(events('orders'), 8000); }
            catch (error) { return {failed: error.message, state: await job.getState()}; }
            """,
            name=name,
        )

    assert failure["state"] == "failed"
    assert reason in failure["failed"]


async def test_a_flow_of_node_is_released_by_toril(node, toril_run):
    async with toril_run():
        result = await node.run(
            """
            const child = (n) => ({name: 'total', queueName: 'orders', data: {numbers: [n]}});
            const tree = await flows().add({name: 'total', queueName: 'orders', data: {},
              children: [child(1), child(2), child(39)]});
            return await tree.job.waitUntilFinished(events('orders'), 8000);
            """
        )

    assert result == 42


async def test_a_failing_child_fails_nodes_parent(node, toril_run):
    async with toril_run():
        reason = await node.run(
            """
            const child = {name: 'refused', queueName: 'orders', data: {},
                           opts: {failParentOnFailure: true}};
            const tree = await flows().add(
              {name: 'total', queueName: 'orders', data: {}, children: [child]});
            try { return await tree.job.waitUntilFinished(events('orders'), 8000); }
            catch (error) { return error.message; }
            """
        )

    assert reason.startswith("child ")
    assert reason.endswith(" failed")


async def test_a_scheduler_of_node_goes_on_under_toril(node, toril_run, wait_until):
    await node.run(
        "await queue('orders').upsertJobScheduler('beat', {every: 200}, {name: 'echo', data: {}})"
    )

    async with toril_run():

        async def ticks():
            return await node.run("return (await queue('orders').getCompletedCount()) >= 4")

        await wait_until(ticks, within="5s", every=0.05)
        pending = await node.run("return await queue('orders').getDelayedCount()")

    assert pending <= 1


async def test_a_keep_rule_of_node_is_obeyed(node, toril_run):
    # The delay lets Node begin to wait while the job is still there.
    opts = {"removeOnComplete": True, "delay": 200}
    async with toril_run():
        job_id, _ = await node.run(ADD_AND_WAIT, name="echo", data={}, opts=opts)
        assert await node.run("return await queue('orders').getJob(args.id)", id=job_id) is None


async def test_node_pauses_and_resumes(node, toril_run, wait_until):
    async with toril_run():
        await node.run("await queue('orders').pause()")
        await node.run("await queue('orders').add('echo', {}, {jobId: 'held'})")
        await asyncio.sleep(0.2)
        assert await node.run("return await queue('orders').getJobState('held')") == "waiting"

        await node.run("await queue('orders').resume()")

        async def done():
            return await node.run("return await queue('orders').getJobState('held')") == "completed"

        await wait_until(done, within="3s", every=0.02)


async def test_node_counts_torils_workers(node, toril_run, wait_until):
    async with toril_run():

        async def seen():
            return await node.run("return (await queue('orders').getWorkers()).length") == 1

        await wait_until(seen, within="5s", every=0.05)
