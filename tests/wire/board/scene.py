"""A shop at work with jobs in every state, and bull-board beside it."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from toril import Client
from toril.runtime.calls.queues import read_counts
from toril.runtime.states import JobState

FOLDER = Path(__file__).parent
QUEUES = ("orders", "mails")


async def set_scene(client: Client) -> dict[str, str]:
    """Adds jobs until each state of the queue `orders` has some; gives the ids of interesting ones.

    A runner must be at work. In the end both slots of `orders` are taken.
    """
    done = await client.add_many("sync-orders", [{"user": f"u{n}"} for n in range(6)])
    run = await client.start_flow("daily-report", {"day": "2026-11-23"})
    bounced = await client.add("send-mail", {"to": "nobody"})
    await run.result("20s")
    await asyncio.gather(*(job.result("20s") for job in done))
    await until(bounced.state, JobState.FAILED)

    refused = await client.add("sync-orders", {"user": "gone"})
    await until(refused.state, JobState.FAILED)
    for _ in range(2):
        holding = await client.add("rebuild-index")
        await until(holding.state, JobState.ACTIVE)
    await client.add_many("sync-orders", [{"user": f"u{n}"} for n in range(10, 13)])
    for priority in (1, 5, 5):
        await client.add("sync-orders", {"user": "vip"}, priority=priority)
    await client.add("sync-orders", {"user": "u20"}, delay="2h")
    later = await client.add("send-mail", {"to": "everybody"}, delay="1h")
    waiting = await client.start_flow("daily-report", {"day": "2026-11-24"})
    return {
        "done": done[0].id,
        "bounced": bounced.id,
        "later": later.id,
        "holding": holding.id,
        "mail": f"{run.run}.mail",
        "waiting": f"{waiting.run}.mail",
    }


async def until(ask: Any, state: JobState, within_s: float = 20) -> None:
    """Waits until a job is in a state."""
    deadline = time.monotonic() + within_s
    while (now := await ask()) is not state:
        assert time.monotonic() < deadline, f"it is {now}, not {state}"
        await asyncio.sleep(0.02)


async def count(client: Client, queue: str) -> Any:
    """Counts a queue's jobs by Toril's own means."""
    return await client.send(read_counts(client.keys(queue)))


class Board:
    """bull-board's HTTP API."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def ask(self, path: str, method: str = "GET", **body: Any) -> Any:
        """Calls the API and gives the JSON it answers; raises HTTPError."""
        return await asyncio.to_thread(self._ask, path, method, body)

    def _ask(self, path: str, method: str, body: dict[str, Any]) -> Any:
        data = json.dumps(body).encode() if body else None
        headers = {"Content-Type": "application/json"} if body else {}
        request = urllib.request.Request(
            f"{self.url}/api/{path}", data=data, headers=headers, method=method
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    async def queue(self, name: str, **query: str) -> Any:
        """Gives what the board shows of a queue."""
        wish = "&".join(f"{key}={value}" for key, value in query.items())
        answer = await self.ask(f"queues?activeQueue={name}&page=1&jobsPerPage=100&{wish}")
        return next(queue for queue in answer["queues"] if queue["name"] == name)


@asynccontextmanager
async def open_board(socket: str, prefix: str) -> AsyncIterator[Board]:
    """Runs bull-board beside a server."""
    process = await asyncio.create_subprocess_exec(
        "node",
        str(FOLDER / "board.mjs"),
        socket,
        prefix,
        *QUEUES,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    try:
        url = (await asyncio.wait_for(process.stdout.readline(), 20)).decode().strip()
        yield Board(url)
    finally:
        process.stdin.close()
        await asyncio.wait_for(process.wait(), 10)
