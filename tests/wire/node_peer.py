"""BullMQ for Node in a process of its own, driven by snippets of JavaScript."""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def is_installed() -> bool:
    """Whether node and its packages are there (`make test` installs them when node is)."""
    return shutil.which("node") is not None and (FOLDER / "node_modules" / "bullmq5").is_dir()


class NodePeer:
    """One Node process; see peer.mjs for what a snippet knows."""

    def __init__(self, socket: str, prefix: str, library: str = "bullmq") -> None:
        self._command = ["node", str(FOLDER / "peer.mjs"), socket, prefix, library]
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}

    async def __aenter__(self) -> NodePeer:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=2**24,
        )
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        await asyncio.wait_for(self._process.wait(), 10)
        await self._reader

    @property
    def pid(self) -> int:
        return self._process.pid

    async def run(self, code: str, *, within_s: float = 15, **args: Any) -> Any:
        """Runs the body of an async function in the peer and gives what it returns."""
        assert self._process.stdin
        number = next(self._ids)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        line = json.dumps({"id": number, "code": code, "args": args})
        self._process.stdin.write(line.encode() + b"\n")
        return await asyncio.wait_for(answer, within_s)

    async def _read(self) -> None:
        assert self._process.stdout
        while line := await self._process.stdout.readline():
            reply = json.loads(line)
            answer = self._waiting.pop(reply["id"])
            if answer.done():
                continue
            if "error" in reply:
                answer.set_exception(AssertionError(reply["error"]))
            else:
                answer.set_result(reply["value"])
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(AssertionError("the node peer ended"))
