"""The live table on terminals of several sizes."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

from rich.console import Console

from toril.cli.live import LiveTable
from toril.runtime.calls.queues import Counts

JOB = "close-the-day-1795506364378.msft_volatility"


def draw(*, width: int, height: int, queues: int = 2, busy: str = "queue-1") -> list[str]:
    """Gives the lines of the table with one event below it."""
    console = Console(file=io.StringIO(), width=width, height=height, highlight=False)
    counts = {f"queue-{n}": Counts() for n in range(1, queues + 1)}
    counts[busy] = Counts(active=1)
    runner: Any = SimpleNamespace(counts=counts, throughput=SimpleNamespace(rate_of=lambda _: 0.0))
    table = LiveTable(console)
    fields = {"queue": "prices", "job": JOB, "job_type": "compute-volatility", "run_ms": 128}
    table.note("job_completed", fields)

    with console.capture() as captured:
        console.print(table.draw(runner))
    return captured.get().splitlines()


def test_a_wide_terminal_shows_everything() -> None:
    lines = draw(width=120, height=40)

    assert lines[0].split()[-3:] == ["failed", "per", "s"]
    assert JOB in lines[-1]
    assert len(lines) == 5


def test_a_narrow_terminal_leaves_columns_out_and_shortens_the_id() -> None:
    lines = draw(width=70, height=24)

    assert lines[0].split()[-1] == "failed"
    assert "children" not in lines[0]
    assert f"prices …{JOB[-16:]}: compute-volatility" in lines[-1]


def test_an_event_leaves_room_for_the_echo_of_ctrl_c() -> None:
    lines = draw(width=50, height=24)

    assert len(lines[-1]) <= 46
    assert lines[-1].endswith("…")


def test_a_low_terminal_shows_the_busy_queues() -> None:
    lines = draw(width=80, height=24, queues=40, busy="queue-33")

    assert "and 29 more queues" in lines
    assert any(line.startswith("queue-33 ") for line in lines)
    assert len(lines) <= 24
