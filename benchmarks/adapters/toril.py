"""Toril as its users have it: both clients, and `toril run` on the pipeline beside this folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.serving import ROOT, Adapter, find_command
from toril import Client, SyncClient, Tree

PIPELINE = ROOT / "benchmarks" / "toril_pipeline"


class Toril(Adapter):
    distribution = "toril"
    can = frozenset({"async", "sync", "bulk", "retry", "delay", "priority", "flow"})
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

    async def run_flow(self, children: int) -> None:
        await self._client.add_tree(Tree("parent", children=[Tree("child")] * children))

    def build_workers(self, job: str, concurrency: int, processes: int) -> list[list[str]]:
        return [[find_command("toril"), "run", str(PIPELINE), "--processes", str(processes)]]


ADAPTER = Toril()
