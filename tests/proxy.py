"""A proxy before the test server that loses replies and cuts connections on demand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from toril.runtime.scripts import load_script


class Proxy:
    """Listens on a unix socket of its own and passes everything on to the server's."""

    def __init__(self, server_socket: str, own_socket: str) -> None:
        self._server_socket = server_socket
        self._own_socket = own_socket
        self.url = f"unix://{own_socket}"
        self._listener: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._loses: Callable[[bytes], bool] | None = None
        #: A black hole: replies are thrown away, connections stay open.
        self.is_silent = False
        #: Replies that were lost so far.
        self.lost = 0
        #: Connections that were opened so far.
        self.opened = 0

    async def start(self) -> None:
        """Accepts connections."""
        self._listener = await asyncio.start_unix_server(self._serve, self._own_socket)

    async def stop(self) -> None:
        """Refuses connections and cuts those that are open, as a server that is down."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        await self.cut()

    async def cut(self) -> None:
        """Cuts every open connection."""
        for connection in tuple(self._connections):
            connection.cancel()
        if self._connections:
            await asyncio.wait(self._connections)

    def lose_reply(self, to: Callable[[bytes], bool] | bytes) -> None:
        """Lets the next request that matches run, then cuts its connection instead of replying."""
        self._loses = to if callable(to) else lambda request: to in request

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.opened += 1
        self._connections.add(task)
        try:
            await self._pass_on(reader, writer)
        except (asyncio.CancelledError, OSError):
            pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_unix_connection(self._server_socket)
        replies = asyncio.create_task(self._reply(from_server, writer))
        try:
            while request := await reader.read(1 << 16):
                if self._loses is not None and self._loses(request):
                    self._loses = None
                    to_server.write(request)
                    await self._lose(reader, replies, from_server, to_server)
                    return
                to_server.write(request)
                await to_server.drain()
        finally:
            replies.cancel()
            to_server.close()

    async def _lose(
        self,
        reader: asyncio.StreamReader,
        replies: asyncio.Task[None],
        from_server: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
    ) -> None:
        replies.cancel()
        await asyncio.wait([replies])
        rest = asyncio.create_task(self._send_rest(reader, to_server))
        await from_server.read(1 << 16)
        rest.cancel()
        self.lost += 1

    async def _send_rest(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A long request comes in pieces."""
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()

    async def _reply(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            if not self.is_silent:
                writer.write(data)
                await writer.drain()
        writer.close()


def sends(*scripts: str) -> Callable[[bytes], bool]:
    """Gives what tells a request that runs one of the scripts, by its name or brought along."""
    known = [load_script(script) for script in scripts]
    marks = [mark for script in known for mark in (script.sha.encode(), script.source[:60])]
    return lambda request: any(mark in request for mark in marks)
