"""Locks that run out while a Node worker sweeps: kept, taken again or lost, with one outcome.

`TORIL_OWNERSHIP_TRIALS=200` makes it as many trials; docs/bullmq.md tells what that gave.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from toril.client import Client
from toril.handles.job_handle import JobHandle
from toril.runtime.fsck import check_queue
from toril.runtime.keys import QueueKeys
from toril.runtime.sender import AsyncSender

TRIALS = int(os.environ.get("TORIL_OWNERSHIP_TRIALS", "40"))
#: Trials that share a fault.
BATCH = 10
LOCK_S = 0.4

TORIL_YAML = f"""
version: 1
project: trials
redis: {{url: "${{WIRE_URL}}", prefix: "${{WIRE_PREFIX}}"}}
plugins: {{paths: [processors.py]}}
queues:
  trials: {{concurrency: {BATCH}, lock: {LOCK_S * 1000:.0f}ms, stalled: {{every: 1s, limit: 100}}}}
jobs:
  hold: {{queue: trials, use: trials.hold}}
"""

PROCESSORS = """
import asyncio
from toril import hookimpl, processor


@processor("trials.hold")
async def hold(job):
    await asyncio.sleep(job.data["seconds"])
    return {"by": "toril", "fence": job.fence}


@hookimpl
def toril_processors():
    return [hold]
"""

#: It sweeps ten times a second from the start, and claims when it is let.
NODE = """
  kept.worker = worker('trials', async (job) => {
    await new Promise((done) => setTimeout(done, 100));
    return {by: 'node', fence: job.attemptsStarted};
  }, {concurrency: 10, lockDuration: 5000, stalledInterval: 100, maxStalledCount: 100});
  await kept.worker.waitUntilReady();
  await kept.worker.pause();
"""


@pytest.fixture
def pipeline_folder(
    server: Any, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    monkeypatch.setenv("WIRE_URL", server.url)
    monkeypatch.setenv("WIRE_PREFIX", prefix)
    (tmp_path / "toril.yaml").write_text(TORIL_YAML)
    (tmp_path / "processors.py").write_text(PROCESSORS)
    return tmp_path


class Faults:
    """What may happen to ten jobs that Toril runs."""

    def __init__(
        self, redis: Redis, keys: QueueKeys, node: Any, server_pid: int, runner_pid: int
    ) -> None:
        self._redis = redis
        self._keys = keys
        self._node = node
        self._server_pid = server_pid
        self._runner_pid = runner_pid

    async def stopped_runner(self, seconds: float) -> None:
        """The supervisor and its worker stand still, as on a machine that swaps or sleeps."""
        await _hold([self._runner_pid, *_list_children(self._runner_pid)], seconds)

    async def stopped_server(self, seconds: float) -> None:
        """Locks run out while nobody can renew them, though their owner is alive."""
        await _hold([self._server_pid], seconds)

    async def expired_locks(self, seconds: float) -> None:
        """Locks vanish again and again."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            await self._delete_locks()
            await asyncio.sleep(LOCK_S / 2)

    async def sweeps_in_a_row(self, seconds: float) -> None:
        """Locks vanish, and Node sweeps twice before most of them can be taken again."""
        await asyncio.sleep(seconds / 2)
        await self._delete_locks()
        for _ in range(2):
            await self._redis.delete(self._keys.stalled_check)
            await self._node.run("await kept.worker.moveStalledJobsToWait()")

    async def _delete_locks(self) -> None:
        ids = await self._redis.lrange(self._keys.active, 0, -1)  # type: ignore[misc]
        locks = [self._keys.lock(job_id.decode()) for job_id in ids]
        if locks:
            await self._redis.delete(*locks)


def _list_children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def _hold(pids: list[int], seconds: float) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)


async def test_whoever_owns_a_job_last_writes_its_only_outcome(
    server: Any, prefix: str, redis: Redis, node: Any, client: Client, toril_run: Any
) -> None:
    dice = random.Random(11)
    keys = QueueKeys(prefix, "trials")
    await node.run(NODE)
    seen: Counter[tuple[str, str]] = Counter()
    async with toril_run() as runner:
        faults = Faults(redis, keys, node, server.process.pid, runner.pid)
        kinds = [
            faults.stopped_runner,
            faults.stopped_server,
            faults.expired_locks,
            faults.sweeps_in_a_row,
        ]
        for number in range(TRIALS // BATCH):
            fault = kinds[number % len(kinds)]
            for job in await try_batch(client, node, redis, keys, dice, fault):
                seen[fault.__name__, await judge(job)] += 1
        assert await count_outcomes(redis, keys) == {1: TRIALS // BATCH * BATCH}
        assert await check_queue(AsyncSender(redis), keys) == []
    print(f"{TRIALS} trials: {dict(sorted(seen.items()))}")
    assert {how for _, how in seen} == {"kept", "lost"}


async def try_batch(
    client: Client,
    node: Any,
    redis: Redis,
    keys: QueueKeys,
    dice: random.Random,
    fault: Callable[[float], Awaitable[None]],
) -> list[JobHandle]:
    """Has Toril start ten jobs, lets Node claim too, and brings the fault about."""
    rows = [{"seconds": dice.uniform(0.2, 4 * LOCK_S)} for _ in range(BATCH)]
    jobs = await client.add_many("hold", rows)
    await until_active(redis, keys)
    await node.run("kept.worker.resume()")
    await fault(dice.uniform(0.5, 3) * LOCK_S)
    for job in jobs:
        await job.result("20s")
    await node.run("await kept.worker.pause()")
    return jobs


async def until_active(redis: Redis, keys: QueueKeys) -> None:
    deadline = time.monotonic() + 10
    while await redis.llen(keys.active) < BATCH:  # type: ignore[misc]
        assert time.monotonic() < deadline, "Toril did not claim the jobs"
        await asyncio.sleep(0.005)


async def judge(handle: JobHandle) -> str:
    """Tells whether Toril kept the job; fails if a stale owner wrote or a start was for nothing."""
    job = await handle.refresh()
    assert job.returnvalue["fence"] == job.attempts_started, f"a stale owner settled {job}"
    assert job.attempts_started == 1 + job.stalled_count, f"{job} was started for no reason"
    assert job.attempts_made == 1
    return "lost" if job.stalled_count else "kept"


async def count_outcomes(redis: Redis, keys: QueueKeys) -> Counter[int]:
    """How many jobs were told to have ended once, how many twice."""
    events = await redis.xrange(keys.events)
    told = Counter(
        fields[b"jobId"] for _, fields in events if fields[b"event"] in (b"completed", b"failed")
    )
    return Counter(told.values())
