"""Serves one Python contender to the harness: JSON lines in, JSON lines out.

    python -m benchmarks.serving NAME

Runs in the contender's own environment, and knows only the standard library and the adapter. The
loops that are timed are here, the same for all. `node/bullmq.mjs` answers the same requests.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.metadata
import json
import os
import random
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

#: What a job carries.
DATA = {"user": "u1", "shard": 1}
USERS, SHARDS = 1_000, 10
AT_ONCE = 100
BULK = 1_000
PRIORITIES = 10
URL = os.environ.get("BENCH_URL", "")
ROOT = Path(__file__).parents[1]


class Adapter:
    """What the file of a contender fills in.

    Its jobs are `noop`, which counts itself; `sleep`, which waits for 10 ms before; `pickup`, which
    notes how long it was on its way; `retry`, which counts itself and fails at its first attempt;
    `parent`, which counts itself, and `child`, which does nothing.
    """

    #: The distribution whose version is shown.
    distribution: str
    #: Ways to add: `async` (`add`), `sync` (`add_blocking`), `bulk` (`add_many`); features:
    #: `retry`, `delay`, `priority`, `flow`, `declared-flow`; `many-queues` in one process, and
    #: `unannounced`, without a connection for each that tells tools of a worker.
    can: frozenset[str]
    #: No-op jobs a second, roughly: sizes the first round, which corrects it for the others.
    pace: int

    async def open(self) -> None:
        """Connects to URL."""

    async def reset(self) -> None:
        """Forgets what it knows of Redis, which was emptied."""

    async def add(
        self, job: str, data: Any, *, delay_ms: int | None = None, priority: int | None = None
    ) -> None:
        """Adds a job; it is stored when this returns."""
        raise NotImplementedError

    def add_blocking(
        self, job: str, data: Any, *, delay_ms: int | None = None, priority: int | None = None
    ) -> None:
        """Does the same through a blocking API."""
        raise NotImplementedError

    async def add_many(self, job: str, rows: Sequence[Any]) -> None:
        """Adds a job for each row of data in one go."""
        raise NotImplementedError

    async def start_flow(self, children: int, *, declared: bool = False) -> None:
        """Adds a `parent` job that waits for so many `child` jobs; or starts a declared flow."""
        raise NotImplementedError

    def build_workers(self, job: str, concurrency: int, processes: int) -> list[list[str]]:
        """Gives the command lines of worker processes that serve a job well."""
        raise NotImplementedError

    def build_idle_workers(self, queues: int, folder: str, *, announced: bool) -> list[list[str]]:
        """Gives the command lines of one worker process for many queues; it may use the folder."""
        raise NotImplementedError


def find_command(name: str) -> str:
    """Gives the path of a command of this environment."""
    return str(Path(sys.executable).with_name(name))


class Requests:
    """Answers the harness's requests; each method is one."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter

    async def describe(self) -> dict[str, Any]:
        adapter = self._adapter
        version = importlib.metadata.version(adapter.distribution)
        return {"version": version, "can": sorted(adapter.can), "pace": adapter.pace}

    async def reset(self) -> None:
        await self._adapter.reset()

    async def build_workers(self, **wanted: Any) -> list[list[str]]:
        return self._adapter.build_workers(**wanted)

    async def build_idle_workers(self, **wanted: Any) -> list[list[str]]:
        return self._adapter.build_idle_workers(**wanted)

    async def fill(self, job: str, count: int, **options: Any) -> None:
        """Adds so many jobs, the fastest way the contender has; `prioritized` mixes priorities."""
        if "bulk" in self._adapter.can and not options:
            for some in cut(count, BULK):
                await self._adapter.add_many(job, [make_data(n) for n in some])
            return
        prioritized = options.pop("prioritized", False)
        picked = random.Random(1)
        for some in cut(count, AT_ONCE):
            wishes = [dict(options) for _ in some]
            for wish in wishes if prioritized else ():
                wish["priority"] = picked.randint(1, PRIORITIES)
            rows = [make_data(n) for n in some]
            if "async" in self._adapter.can:
                await asyncio.gather(*map(partial(self._add, job), rows, wishes))
            else:
                for row, wish in zip(rows, wishes, strict=True):
                    self._adapter.add_blocking(job, row, **wish)

    def _add(self, job: str, data: Any, wish: dict[str, Any]) -> Awaitable[None]:
        return self._adapter.add(job, data, **wish)

    async def time_adds(self, way: str, seconds: float) -> dict[str, float]:
        """Adds for so long and gives how many that were, in how many seconds."""
        add_some = getattr(self, f"_add_{way}")
        for _ in range(3):
            await add_some()
        count, start = 0, time.perf_counter()
        while (took := time.perf_counter() - start) < seconds:
            count += await add_some()
        return {"count": count, "seconds": took}

    async def _add_async(self) -> int:
        await self._adapter.add("noop", DATA)
        return 1

    async def _add_sync(self) -> int:
        self._adapter.add_blocking("noop", DATA)
        return 1

    async def _add_concurrent(self) -> int:
        await asyncio.gather(*(self._adapter.add("noop", DATA) for _ in range(AT_ONCE)))
        return AT_ONCE

    async def _add_bulk(self) -> int:
        await self._adapter.add_many("noop", [DATA] * BULK)
        return BULK

    async def add_pickup(self) -> None:
        """Adds one `pickup` job, which knows when its adding began."""
        data = {**DATA, "added_ns": time.monotonic_ns()}
        if "async" in self._adapter.can:
            await self._adapter.add("pickup", data)
        else:
            self._adapter.add_blocking("pickup", data)

    async def start_flows(
        self, count: int, children: int, at_once: int, declared: bool
    ) -> dict[str, int]:
        """Starts flows, and gives the instant of the first one's start."""
        start_ns = time.monotonic_ns()
        for some in cut(count, at_once):
            await asyncio.gather(
                *(self._adapter.start_flow(children, declared=declared) for _ in some)
            )
        return {"start_ns": start_ns}


def make_data(number: int) -> dict[str, Any]:
    """Gives what one of many jobs carries."""
    return {"user": f"u{number % USERS}", "shard": number % SHARDS}


def cut(count: int, size: int) -> list[range]:
    """Cuts so many into parts of a size."""
    return [range(first, min(first + size, count)) for first in range(0, count, size)]


async def serve(adapter: Adapter) -> None:
    """Answers requests until stdin ends."""
    answers = os.fdopen(os.dup(1), "w")
    # What a library prints goes where errors go, and does not stand between the answers.
    os.dup2(2, 1)
    requests = Requests(adapter)
    await adapter.open()
    while line := await asyncio.to_thread(sys.stdin.readline):
        request = json.loads(line)
        ask: Callable[..., Any] = getattr(requests, request.pop("ask"))
        try:
            answer = {"value": await ask(**request)}
        except Exception:  # noqa: BLE001 - the harness tells whatever went wrong
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), file=answers, flush=True)


def main() -> None:
    module = importlib.import_module(f"benchmarks.adapters.{sys.argv[1]}")
    asyncio.run(serve(module.ADAPTER))


if __name__ == "__main__":
    main()
