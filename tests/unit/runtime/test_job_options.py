"""The options that a job type stores with its jobs."""

from __future__ import annotations

from toril.declarations.backoff import Backoff
from toril.declarations.job_type import JobType, Keep, KeepRule, Retry
from toril.runtime.job_options import build_opts


def test_a_plain_job_type_stores_its_attempts_and_how_long_its_jobs_stay() -> None:
    assert build_opts(JobType(name="greet", queue="greetings")) == {
        "attempts": 1,
        "removeOnComplete": 1_000,
        "removeOnFail": 10_000,
    }


def test_all_that_is_declared_is_stored_in_bullmqs_words() -> None:
    backoff = Backoff(type="exponential", delay_ms=2_000, max_ms=300_000, jitter=0.5)
    keep = Keep(completed=KeepRule(count=0), failed=KeepRule(count=5, age_ms=90_500))

    opts = build_opts(
        JobType(name="a", queue="q", retry=Retry(attempts=5, backoff=backoff), keep=keep)
    )

    assert opts == {
        "attempts": 5,
        "backoff": {"type": "exponential", "delay": 2_000, "jitter": 0.5, "max": 300_000},
        "removeOnComplete": 0,
        "removeOnFail": {"count": 5, "age": 91},
    }


def test_a_list_and_a_plugins_own_options_are_stored() -> None:
    listed = Backoff(type="list", delays_ms=(10_000, 20_000))
    own = Backoff(type="market_hours", options={"calendar": "XSWX"})

    stored = [
        build_opts(JobType(name="a", queue="q", retry=Retry(backoff=backoff)))["backoff"]
        for backoff in (listed, own)
    ]

    assert stored == [
        {"type": "list", "delay": 0, "delays": [10_000, 20_000]},
        {"type": "market_hours", "delay": 0, "calendar": "XSWX"},
    ]
