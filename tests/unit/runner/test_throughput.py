"""Jobs a second."""

from __future__ import annotations

from toril.runner.throughput import Throughput


def test_the_rate_is_over_the_last_seconds_only() -> None:
    now = [100.0]
    throughput = Throughput(lambda: now[0])
    throughput.count("orders", "job_completed", 1_000)
    now[0] += 20
    throughput.count("orders", "job_completed", 10)
    throughput.count("orders", "job_failed", 5)
    throughput.count("orders", "job_retrying", 99)

    assert throughput.rate_of("orders") == 3.0
    assert throughput.rate_of("reports") == 0


def test_a_young_runner_is_not_measured_over_time_it_did_not_live() -> None:
    now = [100.0]
    throughput = Throughput(lambda: now[0])
    now[0] += 2
    throughput.count("orders", "job_completed", 10)

    assert throughput.rate_of("orders") == 5.0
