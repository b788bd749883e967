"""`toril job retry --all`, `job promote --all`, `queue limit`."""

from __future__ import annotations

from typing import Any

import pytest


def test_all_failed_jobs_run_again(shop: Any) -> None:
    for job_id in ("a", "b"):
        shop.toril("add", "sync", "user=nobody", "--id", job_id)
    shop.toril("add", "sync", "user=u1", "--id", "c")
    shop.run_all()
    before = shop.json("status")["queues"]["orders"]

    told = shop.toril("job", "retry", "orders", "--all")
    completed = shop.json("job", "retry", "orders", "--all", "--state", "completed")

    assert told.stdout == "retried 2 jobs of orders\n"
    assert completed == {"queue": "orders", "retried": before["completed"], "refused": 0}
    counts = shop.json("status")["queues"]["orders"]
    assert (counts["waiting"], counts["failed"]) == (2 + before["completed"], 0)


def test_a_parent_stays_failed_while_a_job_of_another_queue_does(shop: Any) -> None:
    shop.toril("flow", "start", "evening", "user=nobody")
    shop.run_all()

    told = shop.toril("job", "retry", "mails", "--all")
    child = shop.json("job", "retry", "orders", "--all")
    parent = shop.json("job", "retry", "mails", "--all")

    assert told.stdout.splitlines() == [
        "retried 0 jobs of mails",
        "1 job left failed: jobs of other queues that failed them have to be retried first",
    ]
    assert (child["retried"], parent["retried"]) == (1, 1)


def test_all_delayed_jobs_are_promoted(shop: Any) -> None:
    for _ in range(2):
        shop.toril("add", "sync", "--delay", "1h")

    assert shop.json("job", "promote", "orders", "--all") == {"queue": "orders", "promoted": 2}
    assert shop.toril("job", "promote", "orders", "--all").stdout == "promoted 0 jobs of orders\n"
    assert shop.json("status")["queues"]["orders"]["waiting"] == 2


def test_limits_are_set_shown_and_lifted(shop: Any) -> None:
    none = shop.toril("queue", "limit", "orders")
    both = shop.json("queue", "limit", "orders", "--max-active", "2", "--rate", "10/s")
    held = shop.toril("queue", "limit", "orders", "--hold", "1h")
    lifted = shop.json("queue", "limit", "orders", "--max-active", "none", "--rate", "none")
    free = shop.json("queue", "limit", "orders", "--release")

    assert none.stdout == "max active  none\nrate        none\n"
    assert both == {
        "queue": "orders",
        "max_active": 2,
        "rate": "10/s",
        "held_ms": 0,
        "per_key": [],
    }
    assert held.stdout.startswith("max active  2\nrate        10/s\nheld for    ")
    assert lifted["held_ms"] > 3_500_000
    assert (free["max_active"], free["rate"], free["held_ms"]) == (None, None, 0)


def test_limits_per_key_are_changed(shop: Any) -> None:
    key = "${{ has(data.user) ? data.user : null }}"
    limits = f'limits: [{{key: "{key}", max_active: 1, rate: 5/s}}]'
    declared = shop.root / "shop.yaml"
    declared.write_text(declared.read_text().replace("lock: 10s", f"lock: 10s, {limits}"))
    early = shop.toril("queue", "limit", "orders", "--key", "1", "--rate", "9/s")
    shop.run_all()

    changed = shop.json("queue", "limit", "orders", "--key", "1", "--max-active", "3")
    shown = shop.toril("queue", "limit", "orders", "--key", "1", "--rate", "none")

    assert early.exit_code == 1
    assert "has no limit per key 1" in early.stderr
    assert changed["per_key"] == [{"key": key, "max_active": 3, "rate": "5/s"}]
    assert shown.stdout.splitlines()[2] == f"key 1       max active 3, rate none for each {key}"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["job", "retry", "orders", "a", "--all"], "expected QUEUE alone with --all, got 2 words"),
        (["job", "retry", "a", "--state", "failed"], "--state is for --all"),
        (
            ["queue", "limit", "orders", "--max-active", "0"],
            "Invalid value for '--max-active': expected a number from 1 to 2147483648, or none, "
            "got '0'",
        ),
        (
            ["queue", "limit", "orders", "--rate", "fast"],
            "Invalid value for '--rate': expected a rate such as 10/s or 100/5m, got 'fast', "
            "or none",
        ),
        (
            ["queue", "limit", "orders", "--hold", "0s"],
            "Invalid value for '--hold': expected a time above 0",
        ),
        (
            ["queue", "limit", "orders", "--hold", "1m", "--release"],
            "expected --hold or --release, got both",
        ),
        (
            ["queue", "limit", "orders", "--key", "1"],
            "expected --max-active or --rate with --key",
        ),
    ],
)
def test_wrong_words_are_told(shop: Any, words: list[str], sentence: str) -> None:
    refused = shop.toril(*words)

    assert refused.exit_code == 2
    assert refused.stderr.splitlines()[-1] == f"Error: {sentence}"
