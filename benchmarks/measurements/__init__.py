"""What is measured: one file a kind of measurement, and the list of all."""

from __future__ import annotations

from benchmarks.harness.bench import Measurement
from benchmarks.measurements.adding import Adding
from benchmarks.measurements.backlog import Backlog

MEASUREMENTS: tuple[Measurement, ...] = (
    Adding(),
    Backlog(
        name="noop-1",
        title="No-op jobs, one worker process, concurrency 1",
        job="noop",
        concurrency=1,
        share=0.2,
    ),
    Backlog(
        name="noop-50",
        title="No-op jobs, one worker process, concurrency 50",
        job="noop",
        concurrency=50,
    ),
    Backlog(
        name="noop-200",
        title="No-op jobs, one worker process, concurrency 200",
        job="noop",
        concurrency=200,
    ),
)
