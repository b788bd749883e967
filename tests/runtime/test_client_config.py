"""Clients that open what a configuration names: the embedded server, a URL, a secret."""

from __future__ import annotations

import logging
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from toril import errors
from toril.client import Client
from toril.runtime.server_process import read_pid
from toril.sync_client import SyncClient

TOP = """
version: 1
redis: {{url: {url}, prefix: {prefix}}}
plugins: {{paths: [processors.py]}}
"""
REST = """
queues: {orders: {}}
jobs:
  sync: {queue: orders, use: test.sync}
"""
PLUGIN = """
from pathlib import Path
from toril import hookimpl, processor

@processor("test.sync")
async def sync(job):
    return job.data

@hookimpl
def toril_processors():
    return [sync]

@hookimpl
def toril_job_added(queue, job_id, job_type):
    with (Path(__file__).parent / "added.txt").open("a") as file:
        file.write(f"{queue} {job_id} {job_type}\\n")
"""


@pytest.fixture
def write_config(tmp_path: Path, prefix: str) -> Any:
    """`write_config(url)`: a pipeline with one job type, and where it is."""

    def write(url: str) -> Path:
        (tmp_path / "toril.yaml").write_text(TOP.format(url=url, prefix=prefix))
        (tmp_path / "orders.yaml").write_text(REST)
        (tmp_path / "processors.py").write_text(PLUGIN)
        return tmp_path

    return write


async def test_clients_share_the_embedded_server_and_what_it_kept(write_config: Any) -> None:
    root = write_config("embedded")

    async with Client.from_config(root) as client:
        await client.add("sync", {"n": 1}, id="a")
    with SyncClient.from_config(root / "toril.yaml") as again:
        second = again.add("sync", {"n": 2}, id="a")
        data = second.refresh().data

    assert (second.created, data) == (False, {"n": 1})
    assert (root / "added.txt").read_text() == "orders a sync\n"


async def test_the_url_may_be_a_secret(
    write_config: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_REDIS", server.url)
    root = write_config("secret://env/SHOP_REDIS")

    with SyncClient.from_config(root) as client:
        added = client.add("sync")
    async with Client.from_config(str(root)) as other:
        state = await other.job("orders", added.id).state()

    assert state == "waiting"


async def test_a_redis_that_is_not_there_is_one_clear_error(
    write_config: Any, tmp_path: Path
) -> None:
    root = write_config(f"unix://{tmp_path}/nothing.sock")
    sentence = f"Redis at unix://{tmp_path}/nothing.sock does not answer"

    with pytest.raises(errors.RedisUnavailable, match=sentence):
        SyncClient.from_config(root)
    client = Client.from_config(root)
    with pytest.raises(errors.RedisUnavailable, match=sentence):
        await client.open()


async def test_a_client_that_is_not_open_says_so(write_config: Any, server: Any) -> None:
    client = Client.from_config(write_config(server.url))

    with pytest.raises(errors.RedisUnavailable) as caught:
        await client.add("sync")

    assert str(caught.value) == "the client is not open; use `async with` or await `open()`"


async def test_a_client_may_be_opened_and_closed_twice(write_config: Any, server: Any) -> None:
    client = Client.from_config(write_config(server.url))

    await client.close()
    await client.open()
    await client.open()
    handle = await client.add("sync")
    await client.close()
    await client.close()
    async with client:
        assert await client.job("orders", handle.id).state() == "waiting"


def test_a_configuration_with_problems_is_refused_with_all_of_them(write_config: Any) -> None:
    root = write_config("embedded")
    (root / "wrong.yaml").write_text("queues: {a: {concurency: 1}, b: {lock: 3}}\n")

    with pytest.raises(errors.ConfigurationError, match="the configuration has 2 problems") as one:
        Client.from_config(root)
    with pytest.raises(errors.ConfigurationError) as other:
        SyncClient.from_config(root)

    assert len(one.value.problems) == len(other.value.problems) == 2


def test_a_hook_that_fails_is_logged_and_harms_nothing(
    write_config: Any, server: Any, caplog: pytest.LogCaptureFixture
) -> None:
    root = write_config(server.url)
    (root / "added.txt").mkdir()

    with caplog.at_level(logging.WARNING, "toril"), SyncClient.from_config(root) as client:
        handle = client.add("sync")

    assert handle.created
    assert "hook_failed plugin='processors' hook='toril_job_added' error=" in caplog.text


async def test_an_embedded_server_that_died_is_started_again_by_the_next_add(
    write_config: Any,
) -> None:
    root = write_config("embedded")

    async with Client.from_config(root) as client:
        await client.add("sync", id="a")
        kill_server(root)
        await client.add("sync", id="b")
        with SyncClient.from_config(root) as sync_client:
            kill_server(root)
            sync_client.add("sync", id="c")
            states = [sync_client.job("orders", name).state() for name in "abc"]

    assert states == ["waiting"] * 3


def kill_server(root: Path) -> None:
    pid = read_pid(root / ".toril" / "server")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
