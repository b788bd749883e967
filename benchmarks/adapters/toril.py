"""Toril as its users have it: both clients, and `toril run` on the pipeline beside this folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.serving import ROOT, URL, Adapter, find_command
from toril import Client, SyncClient, Tree

PIPELINE = ROOT / "benchmarks" / "toril_pipeline"


class Toril(Adapter):
    distribution = "toril"
    can = frozenset(
        {
            *("async", "sync", "bulk"),
            *("retry", "delay", "priority", "flow", "declared-flow"),
            *("many-queues", "unannounced"),
        }
    )
    pace = 15_000

    async def open(self) -> None:
        self._client = Client.from_config(PIPELINE)
        await self._client.open()
        self._blocking = SyncClient.from_config(PIPELINE)

    async def add(
        self, job: str, data: Any, *, delay_ms: int | None = None, priority: int | None = None
    ) -> None:
        delay = None if delay_ms is None else delay_ms / 1000
        await self._client.add(job, data, delay=delay, priority=priority)

    def add_blocking(
        self, job: str, data: Any, *, delay_ms: int | None = None, priority: int | None = None
    ) -> None:
        delay = None if delay_ms is None else delay_ms / 1000
        self._blocking.add(job, data, delay=delay, priority=priority)

    async def add_many(self, job: str, rows: Sequence[Any]) -> None:
        await self._client.add_many(job, rows)

    async def start_flow(self, children: int, *, declared: bool = False) -> None:
        if declared:
            await self._client.start_flow("fan")
            return
        await self._client.add_tree(Tree("parent", children=[Tree("child")] * children))

    def build_workers(self, job: str, concurrency: int, processes: int) -> list[list[str]]:
        return [[find_command("toril"), "run", str(PIPELINE), "--processes", str(processes)]]

    def build_idle_workers(self, queues: int, folder: str, *, announced: bool) -> list[list[str]]:
        redis = json.dumps({"url": URL, "announce_workers": announced})
        names = "".join(f"  bench-{n}:\n" for n in range(queues))
        Path(folder, "toril.yaml").write_text(f"version: 1\nredis: {redis}\nqueues:\n{names}")
        return [[find_command("toril"), "run", folder]]


ADAPTER = Toril()
