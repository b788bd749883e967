"""Jobs a second."""

from __future__ import annotations

from toril.runner.throughput import Throughput, Untold


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


def test_what_was_only_counted_is_said_once_a_second_and_at_the_end() -> None:
    now = [100.0]
    untold = Untold(lambda: now[0])

    assert untold.add(5) == 0
    now[0] += 1
    assert untold.add(6) == 11
    assert untold.add(7) == 0
    assert untold.take() == 7
    assert untold.take() == 0
