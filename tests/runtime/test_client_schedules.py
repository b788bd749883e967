"""Schedules that applications make: both clients, one suite."""

from __future__ import annotations

import asyncio
import inspect
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from toril.client import Client
from toril.declarations.job_type import Retry
from toril.errors import AddError, InvalidJobId, UnknownName
from toril.runtime.calls.schedules import Upserted
from toril.runtime.connection import connect_sync
from toril.runtime.sync_sender import SyncSender
from toril.sync_client import SyncClient

HOUR = 3_600_000


class Awaited:
    """Blocking schedules behind an async face."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        assert inspect.ismethod(method)
        return partial(asyncio.to_thread, method)


@pytest.fixture(params=["async", "sync"])
def schedules(request: pytest.FixtureRequest, rig: Any) -> Any:
    """Those of `orders`, whose job type `sync` has a retry and a priority; time stands still."""

    async def sync(job: Any) -> None:
        pass

    rig.use_virtual_clock()
    rig.job(sync, retry=Retry(attempts=3), priority=2)
    rig.job(sync, "mail", queue="mails")
    if request.param == "async":
        yield Client(rig.pipeline, sender=rig.sender, clock=rig.clock).schedules("orders")
        return
    redis = connect_sync(rig.url)
    client = SyncClient(rig.pipeline, sender=SyncSender(redis), clock=rig.clock)
    yield Awaited(client.schedules("orders"))
    redis.close()


async def test_a_schedule_is_made_read_and_removed(rig, schedules):
    now_ms = rig.clock.now_ms()

    made = await schedules.upsert("nightly", "sync", {"n": 1}, every="1h", limit=3)
    again = await schedules.upsert("nightly", "sync", {"n": 1}, every="1h", limit=3)

    assert made == Upserted(action="created", next_ms=now_ms)
    assert again == Upserted(action="unchanged", next_ms=now_ms)
    record = await schedules.get("nightly")
    assert (record.name, record.every_ms, record.limit, record.owner) == ("sync", HOUR, 3, None)
    assert record.template.data == {"n": 1}
    assert (record.template.opts["attempts"], record.template.opts["priority"]) == (3, 2)
    assert await schedules.count() == 1
    assert [one.id for one in await schedules.list()] == ["nightly"]
    assert await schedules.remove("nightly") is True
    assert await schedules.remove("nightly") is False
    assert await schedules.get("nightly") is None


async def test_a_cron_schedule_begins_at_its_start_in_its_zone(rig, schedules):
    made = await schedules.upsert(
        "daily", "sync", cron="0 9 * * *", timezone="Europe/Zurich", start="2026-12-01T12:00"
    )

    assert made.next_ms == int(datetime(2026, 12, 2, 8, tzinfo=UTC).timestamp() * 1000)
    record = await schedules.get("daily")
    assert (record.cron, record.timezone) == ("0 9 * * *", "Europe/Zurich")


async def test_a_cron_schedule_may_tick_at_once(rig, schedules):
    made = await schedules.upsert("daily", "sync", cron="0 9 * * *", immediately=True)

    assert made.next_ms == rig.clock.now_ms()


async def test_a_schedule_without_a_tick_before_its_end_is_over(rig, schedules):
    end = datetime.fromtimestamp(rig.clock.now_ms() / 1000, UTC) + timedelta(minutes=1)
    await schedules.upsert("yearly", "sync", cron="0 0 1 1 *")

    made = await schedules.upsert("yearly", "sync", cron="0 0 1 1 *", end=end)

    assert made == Upserted(action="over", next_ms=None)
    assert await schedules.count() == 0


WRONG = {
    "expected either cron or every": {},
    "immediately is for cron; the first tick of an interval is now anyway": {
        "every": 5,
        "immediately": True,
    },
    "timezone is for cron; an interval is the same everywhere": {"every": 5, "timezone": "UTC"},
    "offset is for every": {"cron": "0 9 * * *", "offset": "1m"},
    "expected an offset shorter than the interval": {"every": "1h", "offset": "1h"},
    "expected either immediately or start, got both": {
        "cron": "0 9 * * *",
        "immediately": True,
        "start": "2027-01-01",
    },
    "expected a limit of at least 1 tick, got 0": {"every": 5, "limit": 0},
    "expected every to be at least 1ms, got 0": {"every": 0},
}


@pytest.mark.parametrize(("problem", "options"), WRONG.items(), ids=WRONG)
async def test_a_schedule_that_makes_no_sense_is_refused(rig, schedules, problem, options):
    with pytest.raises(AddError) as caught:
        await schedules.upsert("s", "sync", **options)

    assert str(caught.value) == f"schedule 's': {problem}"
    assert await schedules.count() == 0


async def test_what_a_job_may_not_be_a_schedule_may_not_add(schedules):
    with pytest.raises(AddError, match="job type 'mail' is declared for queue 'mails'"):
        await schedules.upsert("s", "mail", every=5)
    with pytest.raises(UnknownName, match="no job type 'sink'"):
        await schedules.upsert("s", "sink", every=5)
    with pytest.raises(AddError, match="which JSON cannot hold"):
        await schedules.upsert("s", "sync", {"n": float("nan")}, every=5)
    with pytest.raises(AddError, match=r"schedule 's': .*99"):
        await schedules.upsert("s", "sync", cron="99 * * * *")
    with pytest.raises(InvalidJobId, match="schedule id 'a:b' holds ':'"):
        await schedules.upsert("a:b", "sync", every=5)


async def test_a_schedule_ends_with_its_limit_and_with_its_end(rig):
    ran = []
    rig.job(lambda job: ran.append((job.data, job.tick)), run_in="async")
    schedules = Client(rig.pipeline, sender=rig.sender).schedules("orders")
    start = datetime.now(UTC)

    await schedules.upsert("three", "sync", "limit", every="30ms", limit=3)
    await schedules.upsert(
        "short", "sync", "end", every="100ms", end=start + timedelta(seconds=0.5)
    )
    rig.start()

    three = await until_over(rig, schedules, "three")
    short = await until_over(rig, schedules, "short")
    ticks = [tick for data, tick in ran if data == "limit"]
    assert (len(ticks), three.added_ticks, three.fired_ticks) == (3, 3, 3)
    assert 1 <= short.added_ticks <= 6
    assert all(tick <= start + timedelta(seconds=0.5) for data, tick in ran if data == "end")


async def until_over(rig: Any, schedules: Any, id: str) -> Any:
    """Waits until the last tick of a schedule has run, and nothing follows."""
    deadline = asyncio.get_running_loop().time() + 4
    while True:
        record = await schedules.get(id)
        if record.tick_state == "completed":
            return record
        assert asyncio.get_running_loop().time() < deadline, record
        await asyncio.sleep(0.005)
