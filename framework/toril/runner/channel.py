"""The channel between a supervisor and one worker process: JSON lines over a socketpair."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

#: The longest line taken: the order that starts a worker carries the whole pipeline.
_LINE_LIMIT = 64 * 1024 * 1024
#: Unsent bytes above which messages that may be lost are.
_BACKLOG_LIMIT = 1024 * 1024

Message = Mapping[str, Any]


class Channel:
    """One end: sends without ever waiting, and reads until the other process is gone."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._lost = 0

    @classmethod
    async def open(cls, end: socket.socket) -> Channel:
        """Takes over one end of a socketpair."""
        end.setblocking(False)
        return cls(*await asyncio.open_connection(sock=end, limit=_LINE_LIMIT))

    def send(self, message: Message, *, may_be_lost: bool = False) -> None:
        """Sends a message; one that may be lost is dropped while the other end does not read."""
        if self._writer.is_closing():
            return
        if may_be_lost and self._writer.transport.get_write_buffer_size() > _BACKLOG_LIMIT:
            self._lost += 1
            return
        if self._lost:
            message, self._lost = {**message, "lost_before": self._lost}, 0
        self._writer.write(_encode(message) + b"\n")

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        """Gives the other end's messages; ends when that process is gone."""
        while True:
            try:
                line = await self._reader.readline()
            except (ConnectionError, ValueError):
                return
            if not line.endswith(b"\n"):
                return
            yield msgspec.json.decode(line)

    async def flush(self) -> None:
        """Waits until the other process has room for what was sent."""
        try:
            await self._writer.drain()
        except ConnectionError:
            return

    def close(self) -> None:
        """Ends the channel; may come twice."""
        self._writer.close()


def _encode(message: Message) -> bytes:
    """Writes a message in any case: an error's text may hold half a surrogate pair."""
    try:
        return msgspec.json.encode(message, enc_hook=repr)
    except UnicodeEncodeError:
        return json.dumps(message, default=repr, ensure_ascii=False).encode("utf-8", "replace")
