"""Limits over several worker processes, one of which is killed."""

from __future__ import annotations

import bisect
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

from toril import SyncClient
from toril.runtime.keys import QueueKeys

KEYS = QueueKeys("bull", "syncs")
LIMITED = """
queues:
  syncs:
    concurrency: 10
    max_active: 5
    rate_limit: 30/s
    stalled: {every: 500ms}
    limits: [{key: "${{ data.key }}", max_active: 2, rate: 12/s}]
jobs:
  sync: {queue: syncs, use: faults.act}
"""
#: Events after which a job runs no more.
ENDS = {b"completed", b"failed", b"waiting", b"delayed", b"stalled"}


def most_in_a_second(starts: list[int]) -> int:
    starts = sorted(starts)
    ends = (bisect.bisect_left(starts, start + 1000) for start in starts)
    return max(end - number for number, end in enumerate(ends))


def follow_running(events: list[tuple[bytes, dict[bytes, bytes]]]) -> Iterator[set[str]]:
    """What ran after each event of the queue; Redis has them in their order."""
    running: set[str] = set()
    for _, fields in events:
        job_id = fields.get(b"jobId", b"").decode()
        if fields[b"event"] == b"active":
            running.add(job_id)
        elif fields[b"event"] in ENDS:
            running.discard(job_id)
        yield running


def test_no_limit_is_exceeded_by_three_workers_one_of_which_is_killed(
    make_pipeline: Callable[..., Any], block_until: Callable[..., None]
) -> None:
    pipeline = make_pipeline(files={"syncs.yaml": LIMITED})
    rows = [{"key": "abc"[number % 3], "sleep": 0.05} for number in range(75)]
    run = pipeline.run("--processes", "3")
    run.wait_for("worker_started", 3, within="30s")
    with SyncClient.from_config(pipeline.root) as client:
        added = client.add_many("sync", rows)
    keys = {job.id: row["key"] for job, row in zip(added, rows, strict=True)}
    block_until(lambda: len(pipeline.history("end")) > 10, "20s")

    os.kill(run.worker_pids()[0], signal.SIGKILL)
    block_until(lambda: len(pipeline.history("end")) == len(rows), "40s")
    run.send(signal.SIGTERM)

    assert run.end() == 0
    for running in follow_running(pipeline.client.xrange(KEYS.events)):
        assert len(running) <= 5
        assert all([keys[job_id] for job_id in running].count(key) <= 2 for key in "abc")
    starts = {job_id: int(pipeline.client.hget(KEYS.job(job_id), "processedOn")) for job_id in keys}
    assert most_in_a_second(list(starts.values())) <= 30
    for key in "abc":
        assert most_in_a_second([starts[id_] for id_ in keys if keys[id_] == key]) <= 12
