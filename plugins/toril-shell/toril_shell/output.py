"""Reads a command's output: lines into the job's log, the end of it into the result."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import BinaryIO, Self

from toril import Job

_LONGEST = 2000
#: As many last lines an error's text has.
_LAST = 3


@dataclass(frozen=True)
class Output:
    """A pipe that a command writes to."""

    reader: asyncio.StreamReader
    #: The command's end, to be closed here once the command has it.
    writing: BinaryIO

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Self]:
        """Makes a pipe; both ends are closed afterwards."""
        reading, writing = os.pipe()
        reader = asyncio.StreamReader()
        with os.fdopen(writing, "wb", 0) as theirs:
            transport, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb", 0)
            )
            try:
                yield cls(reader, theirs)
            finally:
                transport.close()


class Log:
    """The job's log, as far as it is given lines of a command."""

    def __init__(self, job: Job, *, most: int) -> None:
        self._job = job
        self._left = most
        #: The last lines, for an error's text.
        self.last: deque[str] = deque(maxlen=_LAST)

    @property
    def is_full(self) -> bool:
        """Whether it takes no more lines than an error's text needs."""
        return self._left < 0

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
        for line in lines[-_LAST:] if log.is_full else lines:
            await log.add(_read_text(line))
        if len(rest) > 4 * _LONGEST:
            await log.add(_read_text(rest))
            rest = b""
        # Neither the next chunk nor a line has to be waited for; others want a turn.
        await asyncio.sleep(0)
    if rest:
        await log.add(_read_text(rest))


def _read_text(line: bytes) -> str:
    return line.decode("utf-8", errors="replace").rstrip("\r")
