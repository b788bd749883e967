"""Deduplication: Toril and Node do the same to the same state, and end each other's."""

from __future__ import annotations

import json
from functools import partial

import pytest

from toril import Deduplication
from toril.runtime.calls.add import add_jobs
from toril.runtime.job import NewJob
from toril.runtime.keys import QueueKeys

NOW = 1_790_000_000_000

TTL = {"ttl": 60_000}
MODES = {
    "simple": {},
    "throttle": TTL,
    "extend": {**TTL, "extend": True},
    "replace": {"replace": True},
    "replace for a time": {**TTL, "replace": True},
    "replace and extend": {**TTL, "replace": True, "extend": True},
    "keep last": {"keepLastIfActive": True},
    "keep last for a time": {**TTL, "keepLastIfActive": True},
    "keep last and extend": {**TTL, "keepLastIfActive": True, "extend": True},
    "keep last or replace": {**TTL, "keepLastIfActive": True, "replace": True},
    "reschedule": {"reschedule": True},
    "reschedule for a time": {**TTL, "reschedule": True},
    "reschedule and extend": {**TTL, "reschedule": True, "extend": True},
    "reschedule or keep last": {"keepLastIfActive": True, "reschedule": True},
}

#: Where the job that holds the id is. `timed`: delayed, and a time runs on the id. Beside these
#: `gone`: it is nowhere any more, which v5 does not notice.
STATES = ["none", "waiting", "delayed", "active", "completed", "timed"]

#: Brings about, on each of two queues, a job `old` that holds the id `d`, in each state in turn.
PREPARE = """
  for (const state of args.states) for (const side of ['node', 'toril']) {
    const name = `${side}-${state}-${args.place}`;
    const deduplication = {id: 'd', ...args.mode};
    const q = queue(name);
    const options = {jobId: 'old', timestamp: args.now, deduplication};
    if (['delayed', 'timed'].includes(state)) options.delay = 9_000_000;
    if (state === 'timed') options.deduplication = {id: 'd', ttl: 60_000};
    if (state === 'none') continue;
    await q.add('first', 1, options);
    if (['active', 'completed'].includes(state)) {
      kept[name] ??= worker(name, null, {});
      const job = await kept[name].getNextJob('token');
      if (state === 'completed') await job.moveToCompleted(1, 'token', false);
    }
  }
"""

NODE_ADDS = """
  const jobs = {};
  for (const state of args.states) {
    const deduplication = {id: 'd', ...args.mode};
    const options = {jobId: 'new', timestamp: args.now, delay: args.delay, deduplication};
    jobs[state] = (await queue(`node-${state}-${args.place}`).add('second', [2], options)).id;
  }
  return jobs;
"""


async def is_there(job) -> bool:
    return await job.state() != "unknown"


async def look_at(redis, keys: QueueKeys, since: bytes) -> dict[str, object]:
    """All that deduplication may change in a queue."""
    left_ms = await redis.pttl(keys.deduplication("d"))
    later = await redis.hgetall(keys.base + "dn:d")
    if b"opts" in later:
        later[b"opts"] = json.loads(later[b"opts"])["de"]
    new, old = [await redis.hmget(keys.job(one), "data", "delay", "deid") for one in ("new", "old")]
    return {
        "owner": await redis.get(keys.deduplication("d")),
        "left": "fresh" if left_ms > 40_000 else "running" if left_ms > 0 else left_ms,
        "later": later,
        "delayed": await redis.zrange(keys.delayed, 0, -1, withscores=True),
        "wait": await redis.lrange(keys.wait, 0, -1),
        "marker": await redis.zrange(keys.marker, 0, -1, withscores=True),
        "ids": await redis.get(keys.id),
        "jobs": [new, old],
        "events": [
            fields
            for _, fields in await redis.xrange(keys.events, min=b"(" + since)
            # v5 tells twice.
            if fields[b"event"] != b"debounced"
        ],
    }


async def have_both_add(peer, client, redis, prefix, *, mode, delay_ms, states):
    """Has both add a job to the same state; all that they leave behind must be the same."""
    place = f"{mode}-{delay_ms}".replace(" ", "-")
    given = {"mode": MODES[mode], "now": NOW, "states": states, "place": place}
    await peer.run(PREPARE, **given)
    since = {}
    for name in [f"{side}-{state}-{place}" for side in ("node", "toril") for state in states]:
        keys = QueueKeys(prefix, name)
        if "gone" in name:
            await redis.delete(keys.job("old"), keys.wait)
        if await redis.pttl(keys.deduplication("d")) > 0:
            await redis.pexpire(keys.deduplication("d"), 20_000)
        last = await redis.xrevrange(keys.events, count=1)
        since[name] = last[0][0] if last else b"0-0"

    theirs = await peer.run(NODE_ADDS, **given, delay=delay_ms)
    ours = {}
    for state in states:
        job = NewJob(
            queue=f"toril-{state}-{place}",
            id="new",
            name="second",
            data=b"[2]",
            opts={"deduplication": {"id": "d", **MODES[mode]}},
            timestamp_ms=NOW,
            delay_ms=delay_ms,
        )
        [added] = await client.send(add_jobs(prefix, [job], now_ms=NOW))
        ours[state] = added.id

    assert ours == theirs, mode
    for state in states:
        node_name, our_name = f"node-{state}-{place}", f"toril-{state}-{place}"
        expected = await look_at(redis, QueueKeys(prefix, node_name), since[node_name])
        found = await look_at(redis, QueueKeys(prefix, our_name), since[our_name])
        assert found == expected, (mode, state)


@pytest.mark.parametrize("first", range(0, len(MODES), 4))
async def test_both_do_the_same_to_the_same_state(node, client, redis, prefix, first):
    states = [*STATES, "gone"]

    for mode in list(MODES)[first : first + 4]:
        await have_both_add(node, client, redis, prefix, mode=mode, delay_ms=5_000, states=states)


async def test_both_do_the_same_without_a_delay(node, client, redis, prefix):
    for mode in ("simple", "replace", "reschedule"):
        await have_both_add(node, client, redis, prefix, mode=mode, delay_ms=0, states=STATES)


async def test_v5_does_the_same_in_the_modes_that_it_has(node5, client, redis, prefix):
    for mode in ("simple", "extend", "replace for a time", "keep last or replace"):
        await have_both_add(node5, client, redis, prefix, mode=mode, delay_ms=5_000, states=STATES)


async def test_node_adds_what_toril_kept_for_later(peer, client):
    await peer.run(
        """
        kept.ran = [];
        kept.go = new Promise((done) => { kept.open = done; });
        worker('node', async (job) => {
          kept.ran.push(job.data.n);
          if (job.data.n === 1) await kept.go;
          return job.data;
        });
        """
    )
    wish = Deduplication(id="user-1", keep_last=True)
    first = await client.add("node-echo", {"n": 1}, deduplicate=wish)
    await peer.run("while (!kept.ran.length) await new Promise((done) => setTimeout(done, 5))")

    for n in (2, 3):
        kept_out = await client.add("node-echo", {"n": n}, id=f"kept-{n}", deduplicate=wish)
        assert (kept_out.id, kept_out.created) == (first.id, False)
    await peer.run("kept.open()")
    await first.result(timeout="8s")

    await peer.run("while (kept.ran.length < 2) await new Promise((done) => setTimeout(done, 5))")
    assert await peer.run("return kept.ran") == [1, 3]
    assert await client.job("node", "kept-3").result(timeout="8s") == {"n": 3}
    assert await client.queue("node").deduplication_owner("user-1") is None


async def test_toril_adds_what_node_kept_for_later(peer, client, toril_run, wait_until):
    async with toril_run():
        first = await peer.run(
            """
            const deduplication = {id: 'user-1', keepLastIfActive: true};
            const q = queue('orders');
            const first = await q.add('slow', {seconds: 0.4}, {deduplication});
            while ((await q.getActiveCount()) < 1) await new Promise((done) => setTimeout(done, 5));
            for (const n of [2, 3]) await q.add('echo', {n}, {jobId: `kept-${n}`, deduplication});
            return first.id;
            """
        )
        await client.job("orders", first).result(timeout="8s")
        last = client.job("orders", "kept-3")
        await wait_until(partial(is_there, last))
        result = await last.result(timeout="8s")

    assert result["got"] == {"n": 3}
    assert await client.job("orders", "kept-2").state() == "unknown"


async def test_each_reads_and_frees_what_the_other_holds(peer, client):
    ours = await client.add("node-echo", deduplicate=Deduplication(id="ours", ttl="1h"))
    theirs = await peer.run(
        """
        const deduplication = {id: 'theirs', ttl: 3_600_000};
        return (await queue('node').add('node-echo', {}, {deduplication, jobId: 'theirs-1'})).id;
        """
    )
    queue = client.queue("node")

    assert await peer.run("return queue('node').getDeduplicationJobId('ours')") == ours.id
    assert await queue.deduplication_owner("theirs") == theirs

    job = await peer.run(
        """
        const job = await queue('node').getJob(args.id);
        return {id: job.deduplicationId, rule: job.opts.deduplication,
                freed: await job.removeDeduplicationKey()};
        """,
        id=ours.id,
    )
    assert job == {"id": "ours", "rule": {"id": "ours", "ttl": 3_600_000}, "freed": True}
    assert await client.job("node", theirs).release_deduplication()
    assert await queue.deduplication_owner("ours") is None
    assert await peer.run("return queue('node').getDeduplicationJobId('theirs')") is None
    assert (await client.add("node-echo", deduplicate=Deduplication(id="theirs"))).created


async def test_a_unique_job_type_and_nodes_own_id_keep_each_other_out(peer, client):
    ours = await client.add("node-once", {"user": "u1"})
    theirs = await peer.run(
        """
        const add = (user, jobId) => queue('node').add('node-once', {user}, {
          jobId, deduplication: {id: `node-once/${user}`},
        });
        return [(await add('u1', 'kept-out')).id, (await add(7, 'theirs-7')).id];
        """
    )

    kept_out = await client.add("node-once", {"user": 7})

    assert theirs == [ours.id, "theirs-7"]
    assert (kept_out.id, kept_out.created) == ("theirs-7", False)
    assert await client.job("node", "kept-out").state() == "unknown"


async def test_a_unique_job_can_be_added_again_once_node_has_run_it(peer, client):
    first = await client.add("node-once", {"user": "u1"})
    await peer.run("worker('node', async (job) => job.data)")

    await first.result(timeout="8s")

    assert (await client.add("node-once", {"user": "u1"})).created


async def test_events_of_deduplication_reach_nodes_listeners(node, client):
    await node.run(
        """
        kept.heard = [];
        events('node').on('deduplicated', (event) => kept.heard.push(event));
        await events('node').waitUntilReady();
        """
    )
    first = await client.add("node-echo", deduplicate=Deduplication(id="d"))

    await client.add("node-echo", id="second", deduplicate=Deduplication(id="d"))

    await node.run("while (!kept.heard.length) await new Promise((done) => setTimeout(done, 5))")
    assert await node.run("return kept.heard") == [
        {"jobId": first.id, "deduplicationId": "d", "deduplicatedJobId": "second"}
    ]
