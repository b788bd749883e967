"""The live table of `toril run` on a terminal: queues, counts, throughput and the last events."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from toril.errors import RedisUnavailable
from toril.runner.log_lines import Level, format_text, level_of
from toril.runner.runner import Runner
from toril.runtime.calls.queues import Counts

REFRESH_S = 0.25
EVENTS = 8

_COLOURS: Mapping[Level, str] = {"info": "", "warning": "yellow", "error": "red"}


class LiveTable:
    """Keeps the last events, and draws them below the table of queues."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._events: deque[Text] = deque(maxlen=EVENTS)

    def note(self, event: str, fields: Mapping[str, Any]) -> None:
        """Takes an event of the runner."""
        line = format_text(event, fields, now_ms=time.time_ns() // 1_000_000)
        text = Text(line, style=_COLOURS[level_of(event)], no_wrap=True, overflow="ellipsis")
        self._events.append(text)

    @asynccontextmanager
    async def showing(self, runner: Runner) -> AsyncIterator[None]:
        """Draws while the runner runs; the last picture stays on the terminal."""
        with Live(console=self._console, auto_refresh=False) as live:
            drawing = asyncio.create_task(self._keep_drawing(live, runner))
            try:
                yield
            finally:
                drawing.cancel()
                await asyncio.wait([drawing])
                live.update(self.draw(runner), refresh=True)
        if not drawing.cancelled():
            drawing.result()

    async def _keep_drawing(self, live: Live, runner: Runner) -> None:
        while True:
            try:
                await runner.read_counts()
            except RedisUnavailable:
                # The events say so; the last counts stay.
                pass
            live.update(self.draw(runner), refresh=True)
            await asyncio.sleep(REFRESH_S)

    def draw(self, runner: Runner) -> Group:
        """Draws the table and the events below it."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("queue")
        for column in ("waiting", "active", "delayed", "children", "completed", "failed", "per s"):
            table.add_column(column, justify="right")
        for queue, counts in runner.counts.items():
            table.add_row(*_make_row(queue, counts, runner.throughput.rate_of(queue)))
        return Group(table, Text(), *self._events)


def _make_row(queue: str, counts: Counts, rate: float) -> list[Text]:
    failed = Text(str(counts.failed), style="red" if counts.failed else "")
    return [
        Text(f"{queue} (paused)" if counts.paused else queue, style="bold"),
        Text(str(counts.waiting + counts.prioritized)),
        Text(str(counts.active), style="green" if counts.active else ""),
        Text(str(counts.delayed)),
        Text(str(counts.waiting_children)),
        Text(str(counts.completed)),
        failed,
        Text(f"{rate:.1f}" if rate else "-"),
    ]
