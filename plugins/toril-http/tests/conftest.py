"""A real HTTP server on loopback, and a stand-in for the job."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest


@dataclass
class Peer:
    """The server: answers by path, and keeps what it was asked."""

    url: str
    port: int
    #: By path: status, headers, body.
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[SimpleNamespace] = field(default_factory=list)


@pytest.fixture
def peer() -> Iterator[Peer]:
    class Answering(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            peer.asked.append(
                SimpleNamespace(
                    method=self.command, path=self.path, headers=dict(self.headers), body=body
                )
            )
            path = self.path.partition("?")[0]
            if path == "/slow":
                time.sleep(0.5)
            status, headers, content = peer.answers.get(path, (200, {}, b"fine"))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer  # noqa: N815 - the base class calls them so

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:
                pass  # The other side read no further, as it should.

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    peer = Peer(url=f"http://127.0.0.1:{server.server_port}", port=server.server_port)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield peer
    server.shutdown()
    thread.join()
    server.server_close()
