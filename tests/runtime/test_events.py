"""Following events, and waiting for jobs to finish."""

from __future__ import annotations

import asyncio
import time

import pytest

from toril.declarations.job_type import KeepRule
from toril.errors import JobNotFound, RedisUnavailable, WaitTimeout
from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.claim import Owner
from toril.runtime.calls.jobs import Ending, remove_job
from toril.runtime.calls.settle import settle_and_claim
from toril.runtime.event_readers import EventReader
from toril.runtime.events import (
    FinishWaits,
    wait_until_finished,
    wait_until_finished_sync,
)
from toril.runtime.job import NewJob
from toril.runtime.outcomes import Completed, Failed
from toril.runtime.states import JobState

NOW = 1_790_000_000_000
OWNER = Owner("tok", 30_000)
KEEP, DROP = KeepRule(), KeepRule(count=0)
DONE = Ending(JobState.COMPLETED, b'{"n":1}')


async def add(sender, keys, *ids: str) -> None:
    jobs = [
        NewJob(queue=keys.queue, id=one, name="sync", data=b"{}", timestamp_ms=NOW) for one in ids
    ]
    await sender.send(add_jobs(keys.prefix, jobs, now_ms=NOW))
    await sender.send(settle_and_claim(keys, owner=OWNER, claim=len(ids), now_ms=NOW))


async def settle(sender, keys, *outcomes) -> None:
    await sender.send(settle_and_claim(keys, owner=OWNER, outcomes=outcomes, now_ms=NOW + 5))


def completed(job_id: str, keep: KeepRule = KEEP) -> Completed:
    return Completed(job_id, b'{"n":1}', keep)


async def test_events_are_read_in_order_from_the_first_read_on(async_sender, keys) -> None:
    await add(async_sender, keys, "old")
    reader = EventReader(async_sender, keys)
    await reader.open()
    await add(async_sender, keys, "a")

    events = await reader.read(1)

    assert [(event.name, event.job_id) for event in events] == [
        ("added", "a"),
        ("waiting", "a"),
        ("active", "a"),
    ]


async def test_reading_goes_on_from_an_id(async_sender, keys) -> None:
    await add(async_sender, keys, "a")
    [first, *rest] = await EventReader(async_sender, keys, after="0-0").read(1)

    again = await EventReader(async_sender, keys, after=first.id).read(1)

    assert again == rest


async def test_reading_waits_no_longer_than_it_is_told(async_sender, keys) -> None:
    started = time.monotonic()

    assert await EventReader(async_sender, keys).read(0.05) == []
    assert time.monotonic() - started < 4


async def test_an_iteration_gives_what_happens_next(async_sender, keys) -> None:
    reader = EventReader(async_sender, keys)
    await reader.open()
    heard: list[str] = []

    async def listen() -> None:
        async for event in reader:
            heard.append(event.name)
            if event.ending == DONE:
                return

    task = asyncio.create_task(listen())
    await add(async_sender, keys, "a")
    await settle(async_sender, keys, completed("a"))
    await asyncio.wait_for(task, 3)

    assert heard == ["added", "waiting", "active", "completed"]


async def test_a_job_that_has_finished_is_known_at_once(async_sender, keys) -> None:
    await add(async_sender, keys, "a", "b")
    await settle(async_sender, keys, completed("a"), Failed("b", "boom", b"[]", KEEP, 1))

    assert await wait_until_finished(async_sender, keys, "a", 1) == DONE
    ending = await wait_until_finished(async_sender, keys, "b", 1)
    assert ending == Ending(JobState.FAILED, reason="boom")


@pytest.mark.parametrize("keep", [KEEP, DROP], ids=["kept", "not kept"])
async def test_a_job_is_waited_for(async_sender, keys, keep, redis, wait_until) -> None:
    await add(async_sender, keys, "a")
    waiting = asyncio.create_task(wait_until_finished(async_sender, keys, "a", 3))
    await find_blocked(redis, wait_until)
    await settle(async_sender, keys, completed("a", keep))

    assert await waiting == DONE


async def test_a_job_that_was_not_kept_is_found_in_the_events(async_sender, keys) -> None:
    await add(async_sender, keys, "a")
    await settle(async_sender, keys, completed("a", DROP))

    assert await wait_until_finished(async_sender, keys, "a", 1) == DONE


async def test_many_waits_share_one_connection(async_sender, redis, keys, wait_until) -> None:
    ids = [f"j{n}" for n in range(50)]
    await add(async_sender, keys, *ids)
    waits = FinishWaits(async_sender)
    tasks = [asyncio.create_task(waits.wait(keys, one, 5)) for one in ids]
    await find_blocked(redis, wait_until)
    blocked = await redis.info("clients")
    await settle(async_sender, keys, *(completed(one) for one in ids))

    assert await asyncio.gather(*tasks) == [DONE] * 50
    assert blocked["blocked_clients"] <= 2
    await waits.close()


async def test_a_wait_ends_in_time(async_sender, keys) -> None:
    await add(async_sender, keys, "a")

    with pytest.raises(WaitTimeout) as raised:
        await wait_until_finished(async_sender, keys, "a", 0.05)

    assert str(raised.value) == "job 'a' of queue 'orders' has not finished within 50ms"


async def test_waiting_for_no_job_is_an_error(async_sender, keys) -> None:
    with pytest.raises(JobNotFound) as raised:
        await wait_until_finished(async_sender, keys, "nope", 1)

    assert str(raised.value) == "no job 'nope' in queue 'orders'"


async def test_a_removed_job_ends_the_wait(async_sender, redis, keys, wait_until) -> None:
    await add(async_sender, keys, "a")
    waits = FinishWaits(async_sender)
    waiting = asyncio.create_task(waits.wait(keys, "a", 3))
    await find_blocked(redis, wait_until)
    await redis.delete(keys.lock("a"))
    await async_sender.send(remove_job(keys, "a"))

    with pytest.raises(JobNotFound) as raised:
        await waiting

    expected = "job 'a' of queue 'orders' was removed before it finished"
    assert str(raised.value) == expected
    await waits.close()


async def test_a_wait_survives_lost_connections(async_sender, redis, keys, wait_until) -> None:
    await add(async_sender, keys, "a")
    waits = FinishWaits(async_sender)
    waiting = asyncio.create_task(waits.wait(keys, "a", 5))
    blocked = await find_blocked(redis, wait_until)
    await redis.client_kill_filter(_id=blocked)
    await settle(async_sender, keys, completed("a", DROP))

    assert await waiting == DONE
    await waits.close()


async def find_blocked(redis, wait_until) -> str:
    found: list[str] = []

    async def look() -> bool:
        clients = await redis.client_list()
        found[:] = [client["id"] for client in clients if client["cmd"] == "xread"]
        return bool(found)

    await wait_until(look)
    return found[0]


async def test_trimmed_events_do_not_hang_a_wait(
    async_sender, redis, keys, monkeypatch, wait_until
) -> None:
    monkeypatch.setattr("toril.runtime.event_readers.BLOCK_S", 0.05)
    await add(async_sender, keys, "a")
    waiting = asyncio.create_task(wait_until_finished(async_sender, keys, "a", 3))
    await find_blocked(redis, wait_until)
    # The end is written without an event, as if it had been trimmed before it was read.
    await redis.hset(keys.job("a"), "returnvalue", '{"n":1}')
    await redis.lrem(keys.active, 0, "a")
    await redis.zadd(keys.completed, {"a": NOW})

    assert await waiting == DONE


@pytest.mark.parametrize("is_sync", [False, True], ids=["async", "sync"])
async def test_events_of_other_jobs_do_not_hide_an_end_without_one(
    async_sender, sync_sender, redis, keys, monkeypatch, wait_until, is_sync
) -> None:
    monkeypatch.setattr("toril.runtime.events.BLOCK_S", 0.05)
    await add(async_sender, keys, "a")
    waiting = asyncio.create_task(
        asyncio.to_thread(wait_until_finished_sync, sync_sender, keys, "a", 10)
        if is_sync
        else wait_until_finished(async_sender, keys, "a", 10)
    )
    await find_blocked(redis, wait_until)
    await redis.hset(keys.job("a"), "returnvalue", '{"n":1}')
    await redis.lrem(keys.active, 0, "a")
    await redis.zadd(keys.completed, {"a": NOW})

    async def ends_among_other_events() -> bool:
        await redis.xadd(keys.events, {"event": "progress", "jobId": "b", "data": "1"})
        return waiting.done()

    await wait_until(ends_among_other_events, within="15s")
    assert await waiting == DONE


async def test_closing_ends_waits(async_sender, keys, redis, wait_until) -> None:
    await add(async_sender, keys, "a")
    waits = FinishWaits(async_sender)
    waiting = asyncio.create_task(waits.wait(keys, "a"))
    await find_blocked(redis, wait_until)
    await waits.close()

    with pytest.raises(RedisUnavailable) as raised:
        await waiting

    assert str(raised.value) == "the client was closed while it waited for jobs"


async def test_a_job_is_waited_for_without_asyncio(
    async_sender, sync_sender, keys, redis, wait_until
) -> None:
    await add(async_sender, keys, "a", "b", "c")
    waiting = asyncio.create_task(
        asyncio.to_thread(wait_until_finished_sync, sync_sender, keys, "a", 3)
    )
    await find_blocked(redis, wait_until)
    await settle(async_sender, keys, completed("a", DROP), completed("b", DROP))

    assert await waiting == DONE
    assert wait_until_finished_sync(sync_sender, keys, "b", 1) == DONE
    with pytest.raises(WaitTimeout):
        wait_until_finished_sync(sync_sender, keys, "c", 0.05)
    with pytest.raises(JobNotFound):
        wait_until_finished_sync(sync_sender, keys, "nope", 1)
