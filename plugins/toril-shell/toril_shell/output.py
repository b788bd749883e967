"""Reads a command's output: lines into the job's log, the end of it into the result."""

from __future__ import annotations

import asyncio
from collections import deque

from toril import Job

_LONGEST = 2000


class Log:
    """The job's log, as far as it is given lines of a command."""

    def __init__(self, job: Job, *, most: int) -> None:
        self._job = job
        self._left = most
        #: The last lines, for an error's text.
        self.last: deque[str] = deque(maxlen=3)

    async def add(self, line: str) -> None:
        """Adds a line; the one after the last that fits says that no more follow."""
        line = line[:_LONGEST]
        if line.strip():
            self.last.append(line.strip())
        if self._left > 0:
            await self._job.log(line)
        elif self._left == 0:
            await self._job.log("more output is not kept in this log")
        self._left -= 1


async def read_output(stream: asyncio.StreamReader, log: Log, kept: bytearray, most: int) -> None:
    """Reads to the end, whatever the length of lines; `kept` holds the last `most` bytes."""
    rest = b""
    while chunk := await stream.read(65536):
        kept += chunk
        del kept[: max(0, len(kept) - most)]
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            await log.add(_read_text(line))
        if len(rest) > 4 * _LONGEST:
            await log.add(_read_text(rest))
            rest = b""
    if rest:
        await log.add(_read_text(rest))


def _read_text(line: bytes) -> str:
    return line.decode("utf-8", errors="replace").rstrip("\r")
