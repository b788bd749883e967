"""Reading events with both clients: from an id, through cuts and trimming, without polling."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.proxy import Proxy

from toril.client import Client
from toril.errors import ClientClosed
from toril.runtime import event_readers
from toril.runtime.connection import connect_sync
from toril.runtime.sync_sender import SyncSender
from toril.sync_client import SyncClient


@pytest.fixture
async def proxy(server: Any, tmp_path: Path) -> AsyncIterator[Proxy]:
    made = Proxy(server.url.removeprefix("unix://"), str(tmp_path / "proxy"))
    await made.start()
    yield made
    await made.stop()


class SyncFace:
    """A blocking reader behind an async face."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    @property
    def after(self) -> str | None:
        return self._inner.after

    async def open(self) -> None:
        await asyncio.to_thread(self._inner.open)

    async def read(self, timeout: Any = None) -> Any:
        return await asyncio.to_thread(self._inner.read, timeout)

    async def __aiter__(self) -> AsyncIterator[Any]:
        events = iter(self._inner)
        while True:
            yield await asyncio.to_thread(next, events)


@pytest.fixture(params=["async", "sync"])
def make_reader(request: pytest.FixtureRequest, rig: Any, proxy: Proxy) -> Any:
    """`make_reader(after)`: of `orders`, by either client, through the proxy."""
    rig.job(lambda job: job.data, run_in="async")
    if request.param == "async":
        client = Client(rig.pipeline, sender=rig.own_sender(proxy.url))
        yield lambda after=None: client.events("orders", after=after)
        return
    redis = connect_sync(proxy.url)
    sync = SyncClient(rig.pipeline, sender=SyncSender(redis))
    yield lambda after=None: SyncFace(sync.events("orders", after=after))
    redis.close()


async def read_until(reader: Any, name: str) -> list[str]:
    """Reads on until an event of this name; gives the names."""
    heard: list[str] = []
    async with asyncio.timeout(8):
        async for event in reader:
            heard.append(event.name)
            if event.name == name:
                break
    return heard


async def test_events_are_heard_from_now_on(rig, make_reader):
    await rig.add("old")
    reader = make_reader()
    await reader.open()

    job_id = await rig.add({"n": 1})
    events = await reader.read(2)

    assert [(event.name, event.job_id) for event in events] == [
        ("added", job_id),
        ("waiting", job_id),
    ]
    assert events[0].job_type == "sync"


@pytest.mark.parametrize("timeout", [0.05, "50ms", timedelta(milliseconds=50)])
async def test_a_timeout_is_any_span_of_time(make_reader, timeout):
    assert await make_reader().read(timeout) == []


async def test_a_timeout_that_is_none_is_refused(make_reader):
    with pytest.raises(ValueError, match="expected a duration"):
        await make_reader().read("soon")


async def test_reading_without_a_timeout_waits_past_single_waits(
    rig, make_reader, monkeypatch, wait_until
):
    monkeypatch.setattr(event_readers, "BLOCK_S", 0.05)
    reader = make_reader()
    await reader.open()
    reading = asyncio.create_task(reader.read())

    async def has_asked_again() -> bool:
        asked = (await rig.redis.info("commandstats")).get("cmdstat_xread", {"calls": 0})["calls"]
        return int(asked) - before >= 3

    before = (await rig.redis.info("commandstats")).get("cmdstat_xread", {"calls": 0})["calls"]
    await wait_until(has_asked_again)
    await rig.add(1)

    assert (await reading)[0].name == "added"


async def test_who_stops_in_the_middle_goes_on_there(rig, make_reader):
    await rig.add_many([1, 2])
    reader = make_reader("0-0")

    assert await read_until(reader, "waiting") == ["added", "waiting"]

    rest = await make_reader(reader.after).read(1)
    assert [event.name for event in rest] == ["added", "waiting"]
    assert rest == await reader.read(1)


async def test_reading_goes_on_through_a_cut_connection(rig, make_reader, proxy, wait_until):
    reader = make_reader("0-0")
    await rig.add(1)
    assert await read_until(reader, "waiting") == ["added", "waiting"]
    reading = asyncio.create_task(read_until(reader, "completed"))
    await is_blocked(rig, wait_until)

    await proxy.cut()
    rig.start()

    assert await reading == ["active", "completed"]


async def test_reading_goes_on_when_the_server_was_away(rig, make_reader, proxy):
    reader = make_reader("0-0")
    await rig.add(1)
    assert await read_until(reader, "waiting") == ["added", "waiting"]

    await proxy.stop()
    assert await reader.read(0.01) == []
    await rig.add(2)
    await proxy.start()

    assert await read_until(reader, "waiting") == ["added", "waiting"]


async def test_trimmed_events_are_passed_over(rig, make_reader):
    await rig.add_many([1, 2, 3])
    reader = make_reader("0-0")
    assert await read_until(reader, "added") == ["added"]

    await rig.redis.xtrim(rig.keys().events, maxlen=2, approximate=False)
    assert await read_until(reader, "waiting") == ["added", "waiting"]

    await rig.redis.delete(rig.keys().events)
    await rig.add(4)
    assert await read_until(reader, "waiting") == ["added", "waiting"]


async def test_what_is_not_utf8_does_not_end_a_reader(rig, make_reader):
    reader = make_reader("0-0")
    odd = {
        "event": b"no\xffise",
        b"na\xffme": b"va\xfflue",
        "failedReason": b"\xff",
        "data": b"1\xff",
    }
    await rig.redis.xadd(rig.keys().events, odd)
    await rig.redis.xadd(rig.keys().events, {"event": "completed", "returnvalue": b'"\xff"'})

    noise, ended = await reader.read(1)

    assert (noise.name, noise.fields["na\ufffdme"]) == ("no\ufffdise", "va\ufffdlue")
    assert (noise.reason, noise.progress, ended.result) == ("\ufffd", None, None)


async def test_waiting_for_events_asks_once(rig, make_reader, wait_until):
    reader = make_reader()
    await reader.open()
    reading = asyncio.create_task(reader.read(4))
    await is_blocked(rig, wait_until)
    before = (await rig.redis.info("commandstats")).get("cmdstat_xread", {"calls": 0})["calls"]

    await rig.add(1)

    assert (await reading)[0].name == "added"
    after = (await rig.redis.info("commandstats"))["cmdstat_xread"]["calls"]
    assert after - before <= 1


async def is_blocked(rig: Any, wait_until: Any) -> None:
    """Waits until a reader waits at the server."""

    async def asks() -> bool:
        return int((await rig.redis.info("clients"))["blocked_clients"]) > 0

    await wait_until(asks)


async def test_a_reader_ends_with_its_client(rig, monkeypatch, wait_until):
    client = Client(rig.pipeline, sender=rig.own_sender())
    reader = client.events("orders")
    await reader.open()
    reading = asyncio.create_task(read_until(reader, "added"))
    await is_blocked(rig, wait_until)

    await client.open_sender().redis.aclose()
    monkeypatch.setattr(client, "_sender", None)

    with pytest.raises(ClientClosed, match="the client is not open"):
        await reading
