"""`toril queue drain`, `clean`, `obliterate`."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any


def test_waiting_jobs_are_drained(shop: Any) -> None:
    shop.toril("add", "sync")
    shop.toril("add", "sync", "--priority", "2")
    shop.toril("add", "sync", "--delay", "1h")

    assert shop.json("queue", "drain", "orders", "--yes") == {"queue": "orders", "removed": 2}
    assert shop.toril("queue", "drain", "orders", "--yes").stdout == "removed 0 jobs of orders\n"
    drained = shop.toril("queue", "drain", "orders", "--delayed", "--yes")
    assert drained.stdout == "removed 1 job of orders\n"


def test_finished_jobs_are_cleaned(shop: Any) -> None:
    shop.toril("add", "sync", "user=u1")
    shop.toril("add", "sync", "user=nobody")
    shop.run_all()

    kept = shop.json("queue", "clean", "orders", "--older-than", "1h", "--yes")
    cleaned = shop.json("queue", "clean", "orders", "--limit", "1", "--yes")
    failed = shop.json("queue", "clean", "orders", "--state", "failed", "--yes")

    assert [one["removed"] for one in (kept, cleaned, failed)] == [0, 1, 1]


def test_a_queue_is_obliterated(shop: Any, redis_sync: Any, prefix: str) -> None:
    shop.toril("add", "sync")

    assert shop.json("queue", "obliterate", "orders", "--yes")["removed"] == 1

    assert list(redis_sync.scan_iter(match=f"{prefix}:orders:*")) == []


def test_nothing_is_removed_where_nobody_can_be_asked(shop: Any) -> None:
    shop.toril("add", "sync")

    refused = shop.toril("queue", "obliterate", "orders")

    assert refused.exit_code == 2
    assert refused.stderr.splitlines()[-1] == (
        "Error: remove orders with 1 job and its schedules? "
        "Nobody is there to answer; give --yes to go on"
    )
    assert shop.json("status")["queues"]["orders"]["waiting"] == 1


def test_mistakes_are_told(shop: Any) -> None:
    age = shop.toril("queue", "clean", "orders", "--older-than", "soon", "--yes")
    name = shop.toril("queue", "drain", "odrers", "--yes")

    assert (age.exit_code, name.exit_code) == (2, 2)
    assert "'soon'" in age.stderr
    assert "did you mean 'orders'?" in name.stderr


def test_a_terminal_is_asked_and_shown_how_far_it_is(shop: Any) -> None:
    shop.toril("add", "sync")
    answer, terminal = pty.openpty()
    toril = str(Path(sys.executable).parent / "toril")
    command = [toril, "-C", str(shop.root), "queue", "drain", "orders"]
    process = subprocess.Popen(
        command, stdin=terminal, stdout=subprocess.PIPE, stderr=terminal, close_fds=True
    )
    os.close(terminal)

    os.write(answer, b"y\n")
    said, _ = process.communicate(timeout=20)

    assert said == b"removed 1 job of orders\n"
    shown = os.read(answer, 100_000).decode()
    assert "remove 1 job waiting in orders? [y/N]" in shown
    assert "1/1" in shown
    os.close(answer)
