"""The valkey-server of a run: its own port and folder, no persistence, gone at the end."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import redis

from benchmarks.harness.processes import die_with_parent, read_cpu_s
from toril.runtime.connection import check_server_sync, connect_sync
from toril.runtime.server_process import find_binary


class Server:
    """A running server, and what it says of itself."""

    def __init__(self, port: int, pid: int) -> None:
        self.port = port
        self.pid = pid
        self.url = f"redis://127.0.0.1:{port}"
        self.redis: redis.Redis = connect_sync(self.url)

    @property
    def version(self) -> str:
        return str(self.redis.info("server")["valkey_version"])

    def empty(self) -> None:
        """Removes everything before it returns."""
        self.redis.flushall(asynchronous=False)

    def read_cpu_s(self) -> float:
        """Gives the processor time that its threads have had."""
        return read_cpu_s(self.pid)

    def read_used_memory(self) -> int:
        """Gives the bytes in use."""
        return int(self.redis.info("memory")["used_memory"])

    def count_clients(self) -> int:
        """Gives the number of its connections, without this one."""
        return int(self.redis.info("clients")["connected_clients"]) - 1


@contextlib.contextmanager
def run_server(folder: Path, binary: Path | None = None) -> Iterator[Server]:
    """Runs a server on a free port of the loopback."""
    port = _find_free_port()
    command = [str(binary or find_binary()), "--port", str(port), "--bind", "127.0.0.1"]
    command += [
        "--save",
        "",
        "--appendonly",
        "no",
        "--lazyfree-lazy-user-flush",
        "no",
        "--dir",
        str(folder),
        "--loglevel",
        "nothing",
    ]
    process = subprocess.Popen(command, preexec_fn=die_with_parent)
    try:
        server = Server(port, process.pid)
        check_server_sync(server.redis, within_s=10)
        yield server
        server.redis.close()
    finally:
        process.kill()
        process.wait()


def _find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
