"""Fixtures of the wire tests: a Node peer, a running `toril`, and a Toril client on one prefix."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from toril.client import Client

_FOLDER = Path(__file__).parent


def _load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"wire_{name}", _FOLDER / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


node_peer = _load("node_peer")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leaves the wire tests out where there is no Node, unless it is required (as in CI)."""
    if node_peer.is_installed() or os.environ.get("TORIL_REQUIRE_NODE"):
        return
    without_node = pytest.mark.skip(reason="node or its packages are missing: run `make node`")
    for item in items:
        if item.path.is_relative_to(_FOLDER):
            item.add_marker(without_node)


@pytest.fixture
async def node(server: Any, prefix: str) -> AsyncIterator[Any]:
    """BullMQ for Node on the test's server and prefix."""
    async with node_peer.NodePeer(server.url.removeprefix("unix://"), prefix) as peer:
        yield peer


@pytest.fixture
async def node5(server: Any, prefix: str) -> AsyncIterator[Any]:
    """BullMQ v5, the version before, on the test's server and prefix."""
    socket = server.url.removeprefix("unix://")
    async with node_peer.NodePeer(socket, prefix, "bullmq5") as peer:
        yield peer


@pytest.fixture(params=["node", "node5"])
def peer(request: pytest.FixtureRequest) -> Any:
    """BullMQ v6, then v5."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def pipeline_folder(server: Any, prefix: str, tmp_path: Path, monkeypatch: Any) -> Path:
    """The wire pipeline, with its server and prefix in the environment."""
    monkeypatch.setenv("WIRE_URL", server.url)
    monkeypatch.setenv("WIRE_PREFIX", prefix)
    return shutil.copytree(_FOLDER / "pipeline", tmp_path / "pipeline")


@pytest.fixture
async def client(pipeline_folder: Path) -> AsyncIterator[Client]:
    """A Toril producer."""
    async with Client.from_config(pipeline_folder) as client:
        yield client


@pytest.fixture
def toril_run(pipeline_folder: Path) -> Callable[..., Any]:
    """`async with toril_run(): ...` has `toril run` work the queues in processes of its own."""

    @asynccontextmanager
    async def run(*options: str) -> AsyncIterator[asyncio.subprocess.Process]:
        toril = Path(sys.executable).parent / "toril"
        process = await asyncio.create_subprocess_exec(
            str(toril), "run", str(pipeline_folder), *options, stdout=asyncio.subprocess.PIPE
        )
        ready = asyncio.Event()
        reader = asyncio.create_task(_show(process, ready))
        try:
            await asyncio.wait_for(ready.wait(), 20)
            yield process
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
                assert await asyncio.wait_for(process.wait(), 20) == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            await reader

    return run


async def _show(process: asyncio.subprocess.Process, ready: asyncio.Event) -> None:
    """Prints what the process says, and tells when a worker is ready."""
    assert process.stdout
    async for line in process.stdout:
        text = line.decode().rstrip()
        print(text)
        if " is ready " in text:
            ready.set()
