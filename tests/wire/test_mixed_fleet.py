"""Two Node workers, two Toril worker processes and producers of both kinds on one queue.

`TORIL_FLEET_JOBS=10000` makes it as many jobs; docs/bullmq.md tells what that gave.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from toril.client import Client
from toril.runtime.calls.queues import read_counts
from toril.runtime.fsck import check_queue
from toril.runtime.keys import QueueKeys
from toril.runtime.sender import AsyncSender

JOBS = int(os.environ.get("TORIL_FLEET_JOBS", "1000"))
#: Of a hundred jobs of either producer; a flow counts with each of its five.
SHARES = {"plain": 40, "delayed": 15, "urgent": 15, "flaky": 20, "flow": 10}
STEPS = 5
#: How many may start in half a second, over all workers.
RATE = {"max": max(200, JOBS // 10), "duration": 500}

PIPELINE = """
queues:
  fleet: {concurrency: 10, lock: 10s, stalled: {every: 2s}, job: {keep: {completed: {age: 1h}}}}
jobs:
  fleet-echo: {queue: fleet, use: wire.echo}
  fleet-flaky: {queue: fleet, use: wire.flaky, retry: {attempts: 3, backoff: 20ms}}
  fleet-total: {queue: fleet, use: wire.total}
flows:
  fleet:
    steps:
      a: {job: fleet-flaky}
      b: {job: fleet-flaky}
      left: {job: fleet-total, needs: [a, b]}
      c: {job: fleet-flaky}
      sum: {job: fleet-total, needs: [left, c]}
"""

NODE_WORKS = """
  const run = {
    'fleet-echo': async (job) => ({got: job.data, attempt: job.attemptsMade + 1}),
    'fleet-flaky': async (job) => {
      if (job.attemptsMade < 2) throw new Error(`attempt ${job.attemptsMade + 1} found nobody`);
      return job.attemptsMade + 1;
    },
    'fleet-total': async (job) =>
      Object.values(await job.getChildrenValues()).reduce((sum, n) => sum + n, 0),
  };
  await worker('fleet', (job) => run[job.name](job),
               {name: args.name, concurrency: 10, lockDuration: 10000}).waitUntilReady();
"""

NODE_ADDS = """
  const n = args.numbers, retry = {attempts: 3, backoff: {type: 'fixed', delay: 20}};
  const some = (count, name, opts) =>
    Array.from({length: count}, (_, i) => ({name, data: {i}, opts: opts(i)}));
  await queue('fleet').addBulk([
    ...some(n.plain, 'fleet-echo', () => ({})),
    ...some(n.delayed, 'fleet-echo', (i) => ({delay: 1 + (i * 37) % 1500})),
    ...some(n.urgent, 'fleet-echo', (i) => ({priority: 1 + i % 5})),
    ...some(n.flaky, 'fleet-flaky', () => retry),
  ]);
  const node = (name, children, opts = {}) =>
    ({name, queueName: 'fleet', data: {}, opts, ...(children ? {children} : {})});
  const flaky = () => node('fleet-flaky', undefined, retry);
  const tree = () =>
    node('fleet-total', [node('fleet-total', [flaky(), flaky()]), flaky()]);
  await flows().addBulk(Array.from({length: n.flow}, tree));
"""

READ_ALL = """
  const jobs = [];
  for (let start = 0; start < args.jobs; start += 1000)
    jobs.push(...await queue('fleet').getCompleted(start, start + 999));
  return jobs.map((j) => [j.id, j.name, j.returnvalue, j.attemptsMade, j.attemptsStarted,
                          j.stalledCounter, j.processedBy, j.processedOn]);
"""


def numbers_of(jobs: int) -> dict[str, int]:
    """How many of each kind a producer adds; flows are counted as trees."""
    numbers = {kind: jobs * share // 100 for kind, share in SHARES.items()}
    numbers["flow"] //= STEPS
    numbers["plain"] += jobs - sum(numbers.values()) - numbers["flow"] * (STEPS - 1)
    return numbers


async def toril_adds(client: Client, numbers: dict[str, int]) -> None:
    dice = random.Random(3)
    await client.add_many("fleet-echo", [{"i": i} for i in range(numbers["plain"])])
    await client.add_many("fleet-flaky", [{}] * numbers["flaky"])
    adding: list[Any] = [
        client.add("fleet-echo", {"i": i}, delay=dice.uniform(0.001, 1.5))
        for i in range(numbers["delayed"])
    ]
    adding += [
        client.add("fleet-echo", {"i": i}, priority=dice.randint(1, 5))
        for i in range(numbers["urgent"])
    ]
    await asyncio.gather(*adding)
    await asyncio.gather(*(client.start_flow("fleet") for _ in range(numbers["flow"])))


@pytest.fixture
def pipeline_folder(pipeline_folder: Path) -> Path:
    (pipeline_folder / "fleet.yaml").write_text(PIPELINE)
    return pipeline_folder


@pytest.fixture
async def keys(redis: Redis, prefix: str, node: Any) -> AsyncIterator[QueueKeys]:
    """The queue's keys, with its rate limited and room for every event."""
    keys = QueueKeys(prefix, "fleet")
    await node.run("await queue('fleet').setGlobalRateLimit(args.max, args.duration)", **RATE)
    await redis.hset(keys.meta, "opts.maxLenEvents", "10000000")  # type: ignore[misc]
    return keys


async def count_outcomes(redis: Redis, keys: QueueKeys) -> Counter[str]:
    """How often each job was told to have completed or failed."""
    told: Counter[str] = Counter()
    start = "-"
    while entries := await redis.xrange(keys.events, start, "+", count=5_000):
        for _, fields in entries:
            if fields[b"event"] in (b"completed", b"failed"):
                told[fields[b"jobId"].decode()] += 1
        start = f"({entries[-1][0].decode()}"
    return told


async def test_each_job_of_a_mixed_fleet_completes_once(
    server: Any, prefix: str, redis: Redis, keys: QueueKeys, node: Any, client: Any, toril_run: Any
) -> None:
    node_peer, socket = type(node), server.url.removeprefix("unix://")
    half = numbers_of(JOBS // 2)
    began = time.monotonic()

    async with AsyncExitStack() as fleet:
        for name in ("node-1", "node-2"):
            peer = await fleet.enter_async_context(node_peer(socket, prefix))
            await peer.run(NODE_WORKS, name=name)
        await fleet.enter_async_context(toril_run("--processes", "2"))
        working = time.monotonic()
        await asyncio.gather(toril_adds(client, half), node.run(NODE_ADDS, numbers=half))
        await wait_for_end(redis, keys, within_s=20 + JOBS / 100)
        ended = time.monotonic()
        counts = await node.run("return await queue('fleet').getJobCounts()")
        ours = asdict(await AsyncSender(redis).send(read_counts(keys)))
        findings = await check_queue(AsyncSender(redis), keys)

    jobs = await node.run(READ_ALL, jobs=JOBS, within_s=60)
    by = Counter(job[6] for job in jobs)
    print(f"{JOBS} jobs in {ended - working:.1f} s, after {working - began:.1f} s: {dict(by)}")
    assert counts == {
        name.replace("_", "-"): count for name, count in ours.items() if name != "paused"
    } | {"completed": JOBS}
    assert sum(counts.values()) == JOBS
    assert findings == []
    assert await count_outcomes(redis, keys) == Counter(job[0] for job in jobs)
    assert {(name, *rest[1:4]) for _, name, *rest in (job[:6] for job in jobs)} == {
        ("fleet-echo", 1, 1, 0),
        ("fleet-flaky", 3, 3, 0),
        ("fleet-total", 1, 1, 0),
    }
    totals = Counter(job[2] for job in jobs if job[1] == "fleet-total")
    assert totals == {6: half["flow"] * 2, 9: half["flow"] * 2}
    assert len(by) == 4
    assert_rate_was_kept(jobs)


async def wait_for_end(redis: Redis, keys: QueueKeys, *, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while (done := await redis.zcard(keys.completed)) < JOBS:
        assert time.monotonic() < deadline, f"{done} of {JOBS} jobs completed"
        await asyncio.sleep(0.05)


def assert_rate_was_kept(jobs: list[Any]) -> None:
    """A last start in each window of the limiter, so at most twice its number in any."""
    starts = sorted(job[7] for job in jobs)
    for first, last in zip(starts, starts[2 * RATE["max"] :], strict=False):
        assert last - first >= RATE["duration"] - 100
