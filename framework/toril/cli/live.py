"""The live table of `toril run` on a terminal: queues, counts, throughput and the last events."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

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

COLUMNS = ("queue", "waiting", "active", "delayed", "children", "completed", "failed", "per s")
#: From this width on all columns fit; below it those that tell least are left out.
WIDE = 76
ONLY_WIDE = ("children", "per s")
#: Characters of a job's id where there is no room for all; its end tells most.
SHOWN_ID = 16

_COLOURS: Mapping[Level, str] = {"info": "", "warning": "yellow", "error": "red"}


class _Event(NamedTuple):
    name: str
    fields: Mapping[str, Any]
    at_ms: int


class LiveTable:
    """Keeps the last events, and draws them below the table of queues."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._events: deque[_Event] = deque(maxlen=EVENTS)

    def note(self, event: str, fields: Mapping[str, Any]) -> None:
        """Takes an event of the runner."""
        self._events.append(_Event(event, fields, time.time_ns() // 1_000_000))

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
        """Draws the table and the events below it, as much as the terminal holds."""
        width, height = self._console.size
        rows = {
            queue: _make_row(queue, counts, runner.throughput.rate_of(queue))
            for queue, counts in _choose_queues(runner.counts, height - EVENTS - 4).items()
        }
        columns = [name for name in COLUMNS if width >= WIDE or name not in ONLY_WIDE]
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(column, justify="left" if column == "queue" else "right")
        for row in rows.values():
            table.add_row(*(row[column] for column in columns))
        left_out = len(runner.counts) - len(rows)
        note = [Text(f"and {left_out} more queues", style="dim")] if left_out else []
        return Group(table, *note, Text(), *(_draw_event(event, width) for event in self._events))


def _choose_queues(counts: Mapping[str, Counts], room: int) -> dict[str, Counts]:
    """Gives all queues, or those with most to do if there is no room for all."""
    if len(counts) <= max(room, 3):
        return dict(counts)
    busiest = sorted(counts, key=lambda queue: _count_unfinished(counts[queue]), reverse=True)
    chosen = set(busiest[: max(room - 1, 3)])
    return {queue: counts[queue] for queue in counts if queue in chosen}


def _count_unfinished(counts: Counts) -> tuple[int, int]:
    waiting = counts.waiting + counts.prioritized + counts.delayed + counts.waiting_children
    return counts.active, waiting


def _make_row(queue: str, counts: Counts, rate: float) -> dict[str, Text]:
    cells = (
        Text(f"{queue} (paused)" if counts.paused else queue, style="bold"),
        Text(str(counts.waiting + counts.prioritized)),
        Text(str(counts.active), style="green" if counts.active else ""),
        Text(str(counts.delayed)),
        Text(str(counts.waiting_children)),
        Text(str(counts.completed)),
        Text(str(counts.failed), style="red" if counts.failed else ""),
        Text(f"{rate:.1f}" if rate else "-"),
    )
    return dict(zip(COLUMNS, cells, strict=True))


def _draw_event(event: _Event, width: int) -> Text:
    """Writes an event on one line; on a narrow one its job's id is shortened before its words.

    A line never fills the terminal: the ^C that it echoes would break it, and the table with it.
    """
    room = width - len("^C^C") - 1
    line = format_text(event.name, event.fields, now_ms=event.at_ms)
    job = event.fields.get("job")
    if len(line) > room and isinstance(job, str) and len(job) > SHOWN_ID:
        short = {**event.fields, "job": f"…{job[-SHOWN_ID:]}"}
        line = format_text(event.name, short, now_ms=event.at_ms)
    text = Text(line, style=_COLOURS[level_of(event.name)], no_wrap=True)
    text.truncate(max(room, 1), overflow="ellipsis")
    return text
