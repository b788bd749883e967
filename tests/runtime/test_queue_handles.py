"""Queue handles and the removal of families, async and sync, against a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from toril import errors
from toril.declarations.job_type import KeepRule
from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.claim import Owner
from toril.runtime.calls.queues import name_of_worker
from toril.runtime.calls.settle import settle_and_claim
from toril.runtime.connection import connect
from toril.runtime.fsck import check_queue
from toril.runtime.job import NewJob, ParentLink
from toril.runtime.outcomes import Completed
from toril.runtime.states import JobState

OWNER = Owner("tok", 30_000)


@pytest.fixture
def both(make_client: Any) -> Any:
    """Either client, called alike."""
    return make_client()


@pytest.fixture(autouse=True)
async def _sound(rig: Any) -> AsyncIterator[None]:
    """Whatever a test does, the queue's keys agree with each other after it."""
    yield
    assert await check_queue(rig.sender, rig.keys()) == []


def new(rig: Any, job_id: str, **more: Any) -> NewJob:
    now_ms = rig.clock.now_ms()
    return NewJob(id=job_id, queue="orders", name="sync", data=b"{}", timestamp_ms=now_ms, **more)


async def store(rig: Any, *jobs: NewJob) -> None:
    call = add_jobs(rig.keys().prefix, jobs, now_ms=rig.clock.now_ms())
    await rig.sender.send(call)


async def store_family(rig: Any, children: int, *, below_root: bool = False) -> None:
    """A job `top` with so many children `c0`, `c1`..., itself the only child of `root` if asked."""
    link = ParentLink(id="root", queue="orders")
    roots = [new(rig, "root", waits_for_children=True)] if below_root else []
    top = new(rig, "top", waits_for_children=True, parent=link if below_root else None)
    family = [
        new(rig, f"c{n}", parent=ParentLink(id="top", queue="orders")) for n in range(children)
    ]
    await store(rig, *roots, top, *family[:500])
    for first in range(500, children, 500):
        await store(rig, *family[first : first + 500])


async def claim(rig: Any, count: int) -> list[str]:
    call = settle_and_claim(rig.keys(), owner=OWNER, claim=count, now_ms=rig.clock.now_ms())
    return [job.id for job in (await rig.sender.send(call)).jobs]


async def complete(rig: Any, *ids: str) -> None:
    outcomes = [Completed(one, b"1", KeepRule()) for one in ids]
    now_ms = rig.clock.now_ms()
    await rig.sender.send(
        settle_and_claim(rig.keys(), owner=OWNER, outcomes=outcomes, now_ms=now_ms)
    )


async def list_keys(rig: Any) -> list[str]:
    found = rig.redis.scan_iter(match=f"{rig.keys().prefix}:*", count=1000)
    return sorted([key.decode().removeprefix(rig.keys().base) async for key in found])


async def test_a_queue_is_drained_in_as_many_batches_as_it_takes(rig, both) -> None:
    await rig.add_many([None] * 500)
    await rig.add(priority=2)
    await rig.add(delay_ms=60_000)
    told: list[int] = []

    removed = await both.queue("orders").drain(on_progress=told.append)

    assert removed == 501
    assert told == [200, 400, 500, 501]
    assert (await both.queue("orders").counts()).delayed == 1


async def test_delayed_jobs_are_drained_if_asked(rig, both) -> None:
    await rig.add(delay_ms=60_000)

    assert await both.queue("orders").drain(delayed=True) == 1


async def test_finished_jobs_are_cleaned_by_their_age(rig, both) -> None:
    await store(rig, *(new(rig, f"j{n}") for n in range(700)))
    ids = await claim(rig, 700)
    await complete(rig, *ids)

    assert await both.queue("orders").clean("completed", older_than="30d", limit=600) == []
    assert await both.queue("orders").clean("completed", limit=600) == sorted(ids)[:600]
    assert (await both.queue("orders").counts()).completed == 100


@pytest.mark.parametrize(
    "ask",
    [
        lambda queue: queue.clean("done"),
        lambda queue: queue.jobs("done"),
        lambda queue: queue.retry_jobs("done"),
    ],
)
async def test_a_word_that_is_no_state_is_an_error(both, ask) -> None:
    with pytest.raises(ValueError) as raised:
        await ask(both.queue("orders"))

    assert str(raised.value) == (
        "expected one of waiting, prioritized, delayed, active, waiting-children, completed, "
        "failed, got 'done'"
    )


async def test_only_jobs_that_ended_are_counted_by_the_minute(both) -> None:
    with pytest.raises(ValueError) as raised:
        await both.queue("orders").metrics("waiting")

    assert str(raised.value) == "expected completed or failed, got 'waiting'"


async def test_parents_that_wait_cannot_be_cleaned(both) -> None:
    with pytest.raises(ValueError) as raised:
        await both.queue("orders").clean("waiting-children")

    assert str(raised.value) == "expected a state that can be cleaned, got 'waiting-children'"


async def test_nothing_is_left_of_an_obliterated_queue(rig, both) -> None:
    await store_family(rig, 600)
    await rig.add(priority=1)
    await rig.redis.set(rig.keys().deduplication("held"), "gone")
    await rig.redis.hset(f"{rig.keys().base}dn:held", "name", "next")
    await rig.redis.set(rig.keys().own("ours"), "1")
    await rig.redis.set(f"{rig.keys().prefix}:orders-2:meta", "another queue's")

    assert await both.queue("orders").obliterate() == 602

    assert await list_keys(rig) == [f"{rig.keys().prefix}:orders-2:meta"]


async def test_a_queue_that_works_is_not_obliterated_and_goes_on(rig, both) -> None:
    await rig.add()
    await claim(rig, 1)

    with pytest.raises(errors.WrongState):
        await both.queue("orders").obliterate()

    assert not (await both.queue("orders").counts()).paused
    assert await both.queue("orders").obliterate(force=True) == 1


async def test_a_family_too_large_for_one_call_is_removed(rig, both) -> None:
    await store_family(rig, 2500)
    await complete(rig, *(await claim(rig, 1000)))

    assert await both.job("orders", "top").remove() == 2501

    assert await list_keys(rig) == ["events", "id", "marker", "meta"]


async def test_a_large_family_below_a_job_is_removed_with_it(rig, both) -> None:
    await store_family(rig, 1500, below_root=True)

    assert await both.job("orders", "root").remove() == 1502


async def test_pending_children_with_a_large_family_go_with_it(rig, both) -> None:
    await store_family(rig, 1500, below_root=True)
    await claim(rig, 1)

    assert await both.job("orders", "root").remove_pending_children() == 1500
    assert await both.job("orders", "root").state() is JobState.WAITING


async def test_a_large_family_with_a_running_job_stays(rig, both) -> None:
    await store_family(rig, 1500)
    await claim(rig, 1)

    with pytest.raises(errors.WrongState):
        await both.job("orders", "top").remove()

    assert await both.job("orders", "top").state() is JobState.WAITING_CHILDREN


async def test_a_job_is_removed_without_its_children(rig, both) -> None:
    await store_family(rig, 2)

    assert await both.job("orders", "top").remove(with_children=False) == 1

    assert (await both.queue("orders").counts()).waiting == 2


async def test_pending_children_are_removed_and_the_job_goes_on(rig, both) -> None:
    await store_family(rig, 1500)
    [running] = await claim(rig, 1)

    assert await both.job("orders", "top").remove_pending_children() == 1499
    assert await both.job("orders", "top").state() is JobState.WAITING_CHILDREN

    await complete(rig, running)
    assert await both.job("orders", "top").state() is JobState.WAITING


async def test_a_child_is_unlinked_from_its_parent(rig, both) -> None:
    await store_family(rig, 1)

    assert await both.job("orders", "c0").unlink_from_parent()
    assert not await both.job("orders", "c0").unlink_from_parent()

    assert await both.job("orders", "top").state() is JobState.WAITING


async def test_jobs_of_several_states_are_listed(rig, both) -> None:
    await rig.add_many([1, 2])
    await rig.add(3, delay_ms=60_000)
    await rig.redis.rpush(rig.keys().wait, "ghost")

    found = await both.queue("orders").jobs("delayed", "waiting", count=2, newest_first=False)

    assert [(one.state, one.job.data) for one in found] == [
        (JobState.DELAYED, 3),
        (JobState.WAITING, 1),
        (JobState.WAITING, 2),
    ]
    await rig.redis.lrem(rig.keys().wait, 0, "ghost")


async def test_delayed_and_prioritized_jobs_are_counted_by_part(rig, both) -> None:
    await rig.add(delay_ms=1_000)
    await rig.add(delay_ms=3_600_000)
    await rig.add(priority=2)
    await rig.add()

    queue = both.queue("orders")
    assert await queue.count_delayed(within="1m") == 1
    assert await queue.count_delayed(within="2h") == 2
    assert await queue.count_priorities([0, 1, 2]) == {0: 1, 1: 0, 2: 1}


async def test_workers_are_listed_by_their_connections(rig, both) -> None:
    prefix = rig.keys().prefix
    names = [name_of_worker(prefix, "orders"), name_of_worker(prefix, "orders", "w1")]
    clients = [connect(rig.url, name=name) for name in names]
    for client in clients:
        await client.ping()

    found = await both.queue("orders").workers()

    assert {one.name for one in found} == {None, "w1"}
    assert all(one.address and one.age_ms >= 0 for one in found)
    for client in clients:
        await client.aclose()


async def test_metrics_of_a_queue_that_counts_none_are_empty(both) -> None:
    metrics = await both.queue("orders").metrics("completed")

    assert (metrics.count, metrics.per_minute, metrics.counted_at_ms) == (0, (), None)
