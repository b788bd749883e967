"""The options that a job type stores with its jobs."""

from __future__ import annotations

import pytest

from toril.declarations.backoff import Backoff
from toril.declarations.job_type import JobType, Keep, KeepRule, Retry
from toril.declarations.queue import Queue
from toril.runtime.job_options import build_opts

OURS = Queue(name="q")
EXTERNAL = Queue(name="q", served_by="external")


def test_a_plain_job_type_stores_its_attempts() -> None:
    assert build_opts(JobType(name="greet", queue="q"), OURS) == {"attempts": 1}


@pytest.mark.parametrize("queue", [OURS, EXTERNAL])
def test_a_backoff_is_stored_in_bullmqs_words(queue: Queue) -> None:
    backoff = Backoff(type="exponential", delay_ms=2_000, max_ms=300_000, jitter=0.5)

    opts = build_opts(JobType(name="a", queue="q", retry=Retry(attempts=5, backoff=backoff)), queue)

    assert opts["attempts"] == 5
    assert opts["backoff"] == {
        "type": "exponential",
        "delay": 2_000,
        "jitter": 0.5,
        "max": 300_000,
    }


def test_jobs_of_an_external_queue_say_how_long_they_stay() -> None:
    keep = Keep(completed=KeepRule(count=0), failed=KeepRule(count=5, age_ms=90_500))

    opts = [
        build_opts(JobType(name="a", queue="q"), EXTERNAL),
        build_opts(JobType(name="a", queue="q", keep=keep), EXTERNAL),
    ]

    assert opts == [
        {"attempts": 1, "removeOnComplete": 1_000, "removeOnFail": 10_000},
        {"attempts": 1, "removeOnComplete": 0, "removeOnFail": {"count": 5, "age": 91}},
    ]


def test_jobs_of_torils_queues_say_only_that_nothing_of_them_stays() -> None:
    keep = Keep(completed=KeepRule(count=0), failed=KeepRule(count=5, age_ms=90_500))

    opts = build_opts(JobType(name="a", queue="q", keep=keep), OURS)

    assert opts == {"attempts": 1, "removeOnComplete": 0}


def test_a_list_and_a_plugins_own_options_are_stored() -> None:
    listed = Backoff(type="list", delays_ms=(10_000, 20_000))
    own = Backoff(type="market_hours", options={"calendar": "XSWX"})

    stored = [
        build_opts(JobType(name="a", queue="q", retry=Retry(backoff=backoff)), OURS)["backoff"]
        for backoff in (listed, own)
    ]

    assert stored == [
        {"type": "list", "delay": 0, "delays": [10_000, 20_000]},
        {"type": "market_hours", "delay": 0, "calendar": "XSWX"},
    ]
