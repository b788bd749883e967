"""Tests of how a worker waits for jobs, and of how it is seen."""

from __future__ import annotations

import asyncio
import time

import pytest

from toril.declarations.queue import Queue
from toril.runtime.calls.queues import count_workers
from toril.runtime.connection import connect
from toril.runtime.worker import markers
from toril.runtime.worker.announce import connection_name
from toril.runtime.worker.markers import MarkerWait
from toril.runtime.worker.reconnect import Outage
from toril.runtime.worker.served_queue import ServedQueue


@pytest.fixture
def woken():
    """Set when the rounds are woken."""
    return asyncio.Event()


@pytest.fixture
def served(rig, alarms, woken):
    return make_served(rig, "orders", alarms, woken)


@pytest.fixture
def mails(rig, alarms, woken):
    return make_served(rig, "mails", alarms, woken)


def make_served(rig, name, alarms, woken):
    made = ServedQueue(
        Queue(name=name, concurrency=1),
        rig.keys(name),
        {},
        clock=rig.clock,
        alarms=alarms,
        wake=woken.set,
    )
    made.is_hungry = False
    return made


def make_wait(rig, queues, url=None):
    return MarkerWait(
        connect=lambda: connect(url or rig.url, blocking=True),
        sender=rig.sender,
        queues=queues,
        # Without a claim that stands: markers make their queues hungry.
        rounds=rig.make()._rounds,
        clock=rig.clock,
        outage=Outage(rig.clock, lambda event, fields: rig.events.append((event, fields))),
    )


@pytest.fixture
async def waiting(rig, served):
    made = make_wait(rig, [served])
    task = asyncio.create_task(made.run())
    yield made
    task.cancel()
    await asyncio.wait([task])


async def has_marker(rig):
    return bool(await rig.redis.zscore(rig.keys().marker, "0") is not None)


async def test_a_marker_makes_its_queue_hungry(rig, served, waiting, wait_until):
    await rig.redis.zadd(rig.keys().marker, {"0": 0})

    await wait_until(lambda: served.is_hungry)

    assert not await has_marker(rig)


async def test_a_marker_is_put_back_when_there_is_no_slot_left_for_its_job(
    rig, served, waiting, woken, wait_until
):
    await wait_until(lambda: waiting._blocked_on)
    served.take_slots(with_outcomes=True)
    assert served.free == 0

    await rig.redis.zadd(rig.keys().marker, {"0": 0})

    await wait_until(lambda: served.is_hungry)
    assert await has_marker(rig)
    # The claim that held the slot may be over by now, and would not look again by itself.
    assert woken.is_set()
    served.return_slots(1)


async def test_a_queue_without_free_slots_is_not_waited_for(rig, served, waiting, wait_until):
    await wait_until(lambda: waiting._blocked_on)
    served.take_slots(with_outcomes=True)
    await rig.redis.zadd(rig.keys().marker, {"0": 0})
    await wait_until(lambda: served.is_hungry)

    served.is_hungry = False
    waiting.refresh()

    assert not waiting._blocked_on
    served.return_slots(1)
    waiting.refresh()
    await wait_until(lambda: served.is_hungry)


async def test_closing_ends_the_block_and_takes_no_marker(rig, served, waiting, wait_until):
    await wait_until(lambda: waiting._blocked_on)

    waiting.close()
    await wait_until(lambda: waiting._line is None)
    await rig.redis.zadd(rig.keys().marker, {"0": 0})

    assert await has_marker(rig)
    assert not served.is_hungry


async def test_a_server_that_does_not_answer_in_time_is_left_for_another_connection(
    rig, served, monkeypatch, wait_until, tmp_path
):
    monkeypatch.setattr(markers, "BLOCK_S", 0.05)
    monkeypatch.setattr(markers, "LATE_S", 0.1)
    monkeypatch.setattr(markers, "CONNECT_WITHIN_S", 0.1)
    opened = 0

    async def say_nothing(reader, writer):
        nonlocal opened
        opened += 1
        while await reader.read(1000):
            pass
        writer.close()

    silent = await asyncio.start_unix_server(say_nothing, tmp_path / "silent")
    task = asyncio.create_task(make_wait(rig, [served], f"unix://{tmp_path / 'silent'}").run())

    await wait_until(lambda: opened >= 3)
    assert rig.said("redis_unavailable")
    task.cancel()
    await asyncio.wait([task])
    silent.close()


async def test_a_lost_marker_costs_no_more_than_one_block(rig, monkeypatch, wait_until):
    monkeypatch.setattr(markers, "BLOCK_S", 0.1)
    rig.job(lambda job: None)
    rig.start("orders")
    await rig.reaches(await rig.add(), "completed")

    job_id = await rig.add()
    await rig.redis.delete(rig.keys().marker)

    await rig.reaches(job_id, "completed", within_s=2)


async def test_an_idle_queue_is_looked_at_and_nothing_is_claimed_from_it(
    rig, served, monkeypatch, wait_until
):
    monkeypatch.setattr(markers, "BLOCK_S", 0.05)
    wait = make_wait(rig, [served])
    task = asyncio.create_task(wait.run())
    looked_at = set()

    async def has_looked():
        looked_at.add(wait._ask_at)
        return len(looked_at) > 4

    await wait_until(has_looked)
    assert not served.is_hungry
    task.cancel()
    await asyncio.wait([task])


async def test_a_block_waits_until_a_popped_markers_claim_is_answered(
    rig, served, monkeypatch, wait_until
):
    monkeypatch.setattr(markers, "_CLAIM_WITHIN_S", 60.0)
    wait = make_wait(rig, [served])
    task = asyncio.create_task(wait.run())
    await wait_until(lambda: wait._blocked_on)

    await rig.redis.zadd(served.keys.marker, {"0": 0})
    await wait_until(lambda: served.is_hungry)
    assert not wait._blocked_on
    served.is_hungry = False
    wait.refresh()

    await wait_until(lambda: wait._blocked_on)
    task.cancel()
    await asyncio.wait([task])


async def test_a_lost_marker_is_not_forgotten_over_those_of_other_queues(
    rig, served, mails, monkeypatch, wait_until
):
    monkeypatch.setattr(markers, "BLOCK_S", 0.2)
    wait = make_wait(rig, [mails, served])
    await rig.redis.lpush(served.keys.wait, "unmarked")
    task = asyncio.create_task(wait.run())

    async def is_asked():
        mails.is_hungry = False
        wait.refresh()
        await rig.redis.zadd(mails.keys.marker, {"0": 0})
        return served.is_hungry

    await wait_until(is_asked)
    task.cancel()
    await asyncio.wait([task])


async def test_a_marker_that_cannot_be_put_back_in_time_costs_the_connection(
    rig, served, monkeypatch, wait_until, tmp_path
):
    monkeypatch.setattr(markers, "LATE_S", 0.1)
    opened = 0

    async def fall_silent_after_a_marker(reader, writer):
        nonlocal opened
        opened += 1
        while command := await reader.read(1000):
            if b"BZPOPMIN" in command:
                served.take_slots(with_outcomes=True)
                key = served.keys.marker.encode()
                writer.write(b"*3\r\n$%d\r\n%s\r\n$1\r\n0\r\n$1\r\n0\r\n" % (len(key), key))
            elif b"ZADD" not in command:
                writer.write(
                    b":1\r\n" if b"ID" in command else b"+OK\r\n" * command.count(b"CLIENT")
                )
        writer.close()

    frozen = await asyncio.start_unix_server(fall_silent_after_a_marker, tmp_path / "frozen")
    task = asyncio.create_task(make_wait(rig, [served], f"unix://{tmp_path / 'frozen'}").run())

    await wait_until(lambda: served.is_hungry)
    assert rig.said("redis_unavailable")
    task.cancel()
    await asyncio.wait([task])
    frozen.close()


async def test_a_due_job_is_made_ready_for_others_when_there_is_no_slot_here(rig, wait_until):
    release = asyncio.Event()

    async def hold(job):
        await release.wait()

    rig.queue("orders", concurrency=1)
    rig.job(hold)
    worker = rig.start("orders")
    delayed = await rig.add(delay_ms=300)
    await wait_until(lambda: worker._queues["orders"]._due)
    await rig.reaches(await rig.add(), "active")

    await rig.reaches(delayed, "waiting")

    assert await has_marker(rig)
    release.set()


async def test_a_worker_that_stops_wakes_another_for_the_job_it_does_not_claim(rig, wait_until):
    rig.job(lambda job: None)
    worker = rig.start("orders")
    await rig.reaches(await rig.add(), "completed")
    await wait_until(lambda: worker._markers._blocked_on)
    worker._rounds.may_claim = False
    await rig.add()
    await wait_until(lambda: worker._queues["orders"].is_hungry)

    await worker.stop(0)

    assert await has_marker(rig)


async def test_bullmqs_tools_see_the_worker_in_each_of_its_queues(rig, wait_until):
    async def count():
        return await rig.sender.send(count_workers(rig.keys().prefix, ["orders", "mails"]))

    rig.start(announce=True, name="host-1")

    await wait_until(lambda: seen(count, {"orders": 1, "mails": 1}))
    names = [client["name"] for client in await rig.redis.client_list()]
    assert f"{rig.keys().prefix}:b3JkZXJz:w:host-1" in names


async def test_an_unannounced_worker_opens_no_named_connection(rig, wait_until):
    rig.job(lambda job: None)
    rig.start(announce=False)
    await rig.reaches(await rig.add(), "completed")

    names = [client["name"] for client in await rig.redis.client_list()]
    assert not [name for name in names if name.startswith(rig.keys().prefix)]


async def test_a_cut_named_connection_is_opened_again(rig, monkeypatch, wait_until):
    monkeypatch.setattr("toril.runtime.worker.announce._PING_EVERY_S", 0.05)
    name = connection_name(rig.keys(), "host-1")
    rig.start("orders", announce=True, name="host-1")
    await wait_until(lambda: find(rig, name))
    [client] = await find(rig, name)

    await rig.redis.client_kill_filter(_id=client["id"])

    await wait_until(lambda: is_other(rig, name, client["id"]), within="4s")


def test_a_workers_name_is_made_fit_for_a_connections_name(rig):
    name = connection_name(rig.keys(), "my host\n1")

    assert name.endswith(":w:my-host-1")


async def test_an_idle_worker_uses_next_to_no_cpu(rig, wait_until):
    rig.job(lambda job: None)
    rig.start()
    await rig.reaches(await rig.add(), "completed")
    cpu, began = time.process_time(), time.monotonic()

    await wait_until(lambda: time.monotonic() - began > 1, within="3s", every=0.2)

    # A busy machine makes the same work dearer; a loop that spins takes all of the second.
    assert time.process_time() - cpu < 0.15


async def seen(count, expected):
    return await count() == expected


async def find(rig, name):
    return [client for client in await rig.redis.client_list() if client["name"] == name]


async def is_other(rig, name, old_id):
    found = await find(rig, name)
    return found and found[0]["id"] != old_id
