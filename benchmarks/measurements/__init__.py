"""What is measured: one file a kind of measurement, and the list of all."""

from __future__ import annotations

from benchmarks.harness.bench import Measurement
from benchmarks.measurements.adding import Adding
from benchmarks.measurements.backlog import RATE, Backlog
from benchmarks.measurements.batches import Batches
from benchmarks.measurements.checking import Checking
from benchmarks.measurements.emptying import Emptying
from benchmarks.measurements.flows import Flows
from benchmarks.measurements.idle_queues import IdleQueues
from benchmarks.measurements.memory import Memory
from benchmarks.measurements.pickup import Pickup
from benchmarks.measurements.queue_length import QueueLength

#: Whose concurrency is compared; other peers are measured at 50, or at what suits them.
SCALED = ("toril", "bullmq", "bullmq-python")
SHARE_ALONE = 0.2

MEASUREMENTS: tuple[Measurement, ...] = (
    Adding(),
    Backlog(
        name="noop-1",
        title="No-op jobs, one worker process, concurrency 1",
        concurrency=1,
        only=SCALED,
        share=SHARE_ALONE,
    ),
    Backlog(
        name="noop-50",
        title="No-op jobs, one worker process, concurrency 50",
        concurrency=50,
    ),
    Backlog(
        name="noop-200",
        title="No-op jobs, one worker process, concurrency 200",
        concurrency=200,
        only=SCALED,
    ),
    Backlog(
        name="noop-1-twice",
        title="No-op jobs, two worker processes, concurrency 1 each",
        concurrency=1,
        processes=2,
        only=SCALED,
        share=2 * SHARE_ALONE,
    ),
    Backlog(
        name="noop-50-twice",
        title="No-op jobs, two worker processes, concurrency 50 each",
        concurrency=50,
        processes=2,
        share=1.5,
        peers_once=True,
    ),
    Backlog(
        name="noop-200-twice",
        title="No-op jobs, two worker processes, concurrency 200 each",
        concurrency=200,
        processes=2,
        only=SCALED,
        share=1.5,
    ),
    Backlog(
        name="io",
        title="I/O-bound jobs that wait for 10 ms, one worker process, concurrency 100",
        jobs={"": "sleep"},
        concurrency=100,
        most=8_000,
        peers_once=True,
    ),
    Pickup(),
    Backlog(
        name="retries",
        title="Attempts of jobs that fail once and are retried at once, concurrency 50",
        jobs={"": "retry"},
        attempts=2,
        concurrency=50,
        needs=("retry",),
        peers_once=True,
        share=0.5,
    ),
    Backlog(
        name="delayed",
        title="Delayed jobs that are due when the worker starts, concurrency 50",
        concurrency=50,
        needs=("delay",),
        peers_once=True,
        options={"delay_ms": 1},
        share=0.8,
    ),
    Backlog(
        name="prioritized",
        title="Jobs of ten priorities, concurrency 50",
        concurrency=50,
        needs=("priority",),
        options={"prioritized": True},
        share=0.8,
    ),
    Flows(),
    Backlog(
        name="key-limits",
        title="Jobs of a queue with a limit per key, concurrency 50",
        jobs={
            "no limit": "noop",
            "1,000 keys that never wait": "wide",
            "10 keys, one job at once each": "tight",
        },
        concurrency=50,
        only=("toril",),
        share=0.5,
    ),
    Backlog(
        name="run-in",
        title="No-op jobs on the loop, in threads, and in processes, concurrency 4",
        jobs={"on the loop": "noop", "in threads": "noop-thread", "in processes": "noop-process"},
        concurrency=4,
        only=("toril",),
        share=0.1,
        metrics=(RATE, *Backlog.metrics[2:]),
    ),
    IdleQueues(),
    Memory(),
    QueueLength(),
    Batches(),
    Checking(),
    Emptying(),
)
