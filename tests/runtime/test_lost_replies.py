"""Replies that never arrive: the connection is reset once the server has done its part."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.proxy import Proxy, sends

from toril import Tree, WaitForChildren
from toril.client import Client
from toril.declarations.flow import Flow, Step
from toril.declarations.job_type import Keep, KeepRule, Retry, Unique
from toril.declarations.schedule import Overlap, Schedule
from toril.runtime.connection import connect, connect_sync
from toril.runtime.fsck import check_queue
from toril.runtime.schedules import apply_schedules
from toril.runtime.sync_sender import SyncSender
from toril.sync_client import SyncClient

ADDS = sends("add", "add_plain")
ENTER = sends("enter_tick")
SETTLE = sends("settle_and_claim")


@pytest.fixture
async def proxy(server: Any, tmp_path: Path) -> AsyncIterator[Proxy]:
    made = Proxy(server.url.removeprefix("unix://"), str(tmp_path / "proxy"))
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def rig(rig: Any, proxy: Proxy) -> AsyncIterator[Any]:
    """The rig, with jobs that echo, some at the second attempt, and a flow of three of them."""
    rig.runs = []

    def echo(job: Any) -> Any:
        rig.runs.append(job.id)
        return job.data

    def flaky(job: Any) -> Any:
        if job.attempt < 2:
            raise ConnectionError("away")
        return echo(job)

    rig.job(echo, run_in="async")
    rig.job(flaky, "flaky", run_in="async", retry=Retry(attempts=3))
    rig.job(echo, "gone", run_in="async", keep=Keep(completed=KeepRule(count=0)))
    for on_conflict in ("drop", "replace", "keep_last"):
        rig.job(echo, on_conflict, unique=Unique(on_conflict=on_conflict))
    steps = [Step(name="a", job="sync"), Step(name="b", job="sync")]
    steps.append(Step(name="sum", job="sync", needs=("a", "b")))
    flow = Flow(name="report", steps={step.name: step for step in steps})
    object.__setattr__(rig.pipeline, "flows", {"report": flow})
    yield rig
    # While the proxy still lets its workers say good-bye.
    await rig.close()


Ask = Callable[..., Any]


@pytest.fixture(params=["async", "sync"])
async def ask(request: pytest.FixtureRequest, rig: Any, proxy: Proxy) -> AsyncIterator[Ask]:
    """`await ask("add", "sync", ...)` calls either client's method, through the proxy."""
    if request.param == "async":
        client = Client(rig.pipeline, sender=rig.own_sender(proxy.url), clock=rig.clock)
        yield lambda method, *args, **more: getattr(client, method)(*args, **more)
        await client.close()
        return
    redis = connect_sync(proxy.url)
    blocking = SyncClient(rig.pipeline, sender=SyncSender(redis), clock=rig.clock)

    async def call(method: str, *args: Any, **more: Any) -> Any:
        return await asyncio.to_thread(getattr(blocking, method), *args, **more)

    yield call
    redis.close()


def start_behind(rig: Any, proxy: Proxy) -> None:
    """Starts a worker whose every connection goes through the proxy."""
    rig.start(
        sender=rig.own_sender(proxy.url),
        connect_blocking=lambda: connect(proxy.url, blocking=True),
    )


async def count_jobs(rig: Any) -> int:
    events = await rig.redis.xrange(rig.keys().events)
    return sum(fields[b"event"] == b"added" for _, fields in events)


@pytest.mark.parametrize("given", [{}, {"id": "mine"}, {"delay": "1h"}, {"priority": 3}], ids=str)
async def test_an_add_whose_reply_is_lost_is_one_job(
    rig: Any, proxy: Proxy, ask: Ask, given: dict[str, Any]
) -> None:
    proxy.lose_reply(ADDS)

    handle = await ask("add", "sync", {"n": 1}, **given)

    assert proxy.lost == 1
    assert handle.created
    assert await count_jobs(rig) == 1
    assert (await rig.stored(handle.id)).data == {"n": 1}
    assert await check_queue(rig.sender, rig.keys()) == []


async def test_an_id_that_was_there_before_is_not_created_by_a_lost_add(
    rig: Any, proxy: Proxy, ask: Ask
) -> None:
    await ask("add", "sync", {"n": 1}, id="mine")
    proxy.lose_reply(ADDS)

    handle = await ask("add", "sync", {"n": 2}, id="mine")

    assert (proxy.lost, handle.created) == (1, False)
    assert (await rig.stored("mine")).data == {"n": 1}


@pytest.mark.parametrize("name", ["drop", "replace", "keep_last"])
@pytest.mark.parametrize("delay", [None, "1h"])
async def test_a_unique_job_whose_reply_is_lost_is_created_and_keeps_no_copy_of_itself(
    rig: Any, proxy: Proxy, ask: Ask, name: str, delay: str | None
) -> None:
    proxy.lose_reply(ADDS)

    handle = await ask("add", name, {"n": 1}, delay=delay)

    assert (proxy.lost, handle.created) == (1, True)
    assert await count_jobs(rig) == 1
    deduplication = await rig.redis.keys(rig.keys().base + "d[en]:*")
    assert [await rig.redis.get(key) for key in deduplication] == [handle.id.encode()]


async def test_a_unique_job_that_is_kept_out_stays_so_though_the_reply_is_lost(
    rig: Any, proxy: Proxy, ask: Ask
) -> None:
    first = await ask("add", "drop", {"n": 1})
    proxy.lose_reply(ADDS)

    handle = await ask("add", "drop", {"n": 1})

    assert (proxy.lost, handle.id, handle.created) == (1, first.id, False)


async def test_a_bulk_whose_reply_is_lost_is_each_job_once(
    rig: Any, proxy: Proxy, ask: Ask
) -> None:
    proxy.lose_reply(ADDS)

    handles = await ask("add_many", "sync", [{"n": n} for n in range(300)])

    assert proxy.lost == 1
    assert all(handle.created for handle in handles)
    assert await count_jobs(rig) == 300
    waiting = await rig.redis.lrange(rig.keys().wait, 0, -1)
    assert sorted(waiting) == sorted(handle.id.encode() for handle in handles)


@pytest.mark.parametrize("given", [{}, {"run_id": "mine"}], ids=str)
async def test_a_flow_whose_reply_is_lost_is_one_tree(
    rig: Any, proxy: Proxy, ask: Ask, given: dict[str, Any]
) -> None:
    proxy.lose_reply(ADDS)

    run = await ask("start_flow", "report", {}, **given)
    rig.start()
    await rig.reaches(f"{run.run}.sum", "completed")

    assert (proxy.lost, run.created) == (1, True)
    assert await count_jobs(rig) == 3
    assert sorted(rig.runs) == sorted(f"{run.run}.{step}" for step in ("a", "b", "sum"))
    assert await check_queue(rig.sender, rig.keys()) == []


async def test_a_tick_whose_turn_is_told_in_a_lost_reply_is_not_held_up_by_itself(
    rig: Any, proxy: Proxy, wait_until: Any
) -> None:
    schedule = Schedule(name="often", every_ms=60_000, job="sync", overlap=Overlap.SKIP)
    object.__setattr__(rig.pipeline, "schedules", {"often": schedule})
    await apply_schedules(rig.sender, rig.pipeline, rig.clock)
    proxy.lose_reply(ENTER)
    start_behind(rig, proxy)

    await wait_until(lambda: rig.runs)

    assert proxy.lost == 1
    assert rig.said("tick_skipped") == []


async def test_a_schedules_run_whose_reply_is_lost_is_started_once_and_told(
    rig: Any, proxy: Proxy, wait_until: Any
) -> None:
    schedule = Schedule(name="nightly", every_ms=60_000, flow="report")
    object.__setattr__(rig.pipeline, "schedules", {"nightly": schedule})
    await apply_schedules(rig.sender, rig.pipeline, rig.clock)
    proxy.lose_reply(ADDS)
    start_behind(rig, proxy)

    await wait_until(lambda: rig.said("flow_started"))
    run = rig.said("flow_started")[0]["run"]
    await rig.reaches(f"{run}.sum", "completed")

    assert proxy.lost == 1
    assert sorted(rig.runs) == sorted(f"{run}.{step}" for step in ("a", "b", "sum"))
    told = [job["job_id"] for job in rig.hooks.of("toril_job_added")]
    assert sorted(job_id for job_id in told if job_id.startswith(run)) == sorted(rig.runs)


async def test_a_job_that_ran_and_was_removed_before_its_add_is_made_again_runs_once(
    rig: Any, proxy: Proxy, ask: Ask, wait_until: Any
) -> None:
    rig.start()
    proxy.lose_reply(ADDS)

    handle = await ask("add", "gone", {})
    await wait_until(lambda: rig.runs)
    again = await ask("add", "gone", {})
    await wait_until(lambda: again.id in rig.runs)

    assert proxy.lost == 1
    assert handle.created
    assert rig.runs == [handle.id, again.id]


async def test_threads_that_add_at_once_lose_replies_and_double_nothing(
    rig: Any, proxy: Proxy, wait_until: Any
) -> None:
    redis = connect_sync(proxy.url)
    client = SyncClient(rig.pipeline, sender=SyncSender(redis), clock=rig.clock)
    start = threading.Barrier(4)

    def add(name: str) -> list[Any]:
        start.wait(5)
        return [client.add("sync", {"by": name}, id=f"{name}-{n}") for n in range(10)]

    async def lose() -> None:
        # Fewer than what makes one add give up, should it lose them all.
        for lost in range(3):
            proxy.lose_reply(ADDS)
            await wait_until(lambda: proxy.lost > lost)  # noqa: B023

    losing = asyncio.create_task(lose())
    adding = [asyncio.to_thread(functools.partial(add, f"t{n}")) for n in range(4)]
    handles = [handle for of_one in await asyncio.gather(*adding) for handle in of_one]
    await losing
    redis.close()

    assert proxy.lost == 3
    assert all(handle.created for handle in handles)
    assert await count_jobs(rig) == 40


async def count_events(rig: Any, *names: bytes) -> Counter[bytes]:
    events = await rig.redis.xrange(rig.keys().events)
    return Counter(fields[b"jobId"] for _, fields in events if fields[b"event"] in names)


@pytest.mark.parametrize("keep", [None, 0], ids=["kept", "removed"])
@pytest.mark.parametrize("fails", [False, True], ids=["completed", "failed"])
async def test_a_settlement_whose_reply_is_lost_is_told_once(
    rig: Any, proxy: Proxy, wait_until: Any, fails: bool, keep: int | None
) -> None:
    release = asyncio.Event()

    async def end(job: Any) -> None:
        await release.wait()
        if fails:
            raise ValueError("no such user")

    rule = Keep(completed=KeepRule(count=keep), failed=KeepRule(count=keep))
    rig.job(end, "end", keep=rule)
    job_id = await rig.add(name="end")
    start_behind(rig, proxy)
    await wait_until(lambda: rig.said("job_started"))

    proxy.lose_reply(lambda request: SETTLE(request) and job_id.encode() in request)
    release.set()

    await wait_until(lambda: rig.said("job_failed" if fails else "job_completed"))
    assert proxy.lost == 1
    assert await count_events(rig, b"completed", b"failed") == {job_id.encode(): 1}
    assert not rig.said("lock_lost")
    assert not rig.said("call_failed")


@pytest.mark.parametrize("ask", ["async"], indirect=True)
async def test_replies_lost_again_and_again_leave_each_job_one_outcome_and_no_stall(
    rig: Any, proxy: Proxy, ask: Ask, wait_until: Any
) -> None:
    rig.queue("orders", concurrency=10)
    start_behind(rig, proxy)

    async def lose() -> None:
        for lost in range(8):
            proxy.lose_reply(SETTLE)
            await wait_until(lambda: proxy.lost > lost, within="15s")  # noqa: B023

    losing = asyncio.create_task(lose())
    for n in range(10):
        await ask("add_many", "sync", [{"n": n}] * 10)
        await ask("add_many", "flaky", [{"n": n}] * 10)
        await ask("start_flow", "report", {})
    keys = rig.keys()

    async def is_done() -> bool:
        return bool(await rig.redis.zcard(keys.completed) == 230)

    await wait_until(is_done, within="15s")
    await losing

    told = await count_events(rig, b"completed", b"failed")
    assert set(told.values()) == {1}
    assert len(told) == 230
    for job_id in told:
        job = await rig.stored(job_id.decode())
        assert (job.attempts_made, job.stalled_count) == (2 if job.name == "flaky" else 1, 0)
        assert job.attempts_started == job.attempts_made
    assert not rig.said("lock_lost")
    assert await check_queue(rig.sender, keys) == []


async def test_a_tree_whose_reply_is_lost_is_one_tree(rig: Any, proxy: Proxy, ask: Ask) -> None:
    proxy.lose_reply(ADDS)

    tree = await ask("add_tree", Tree("sync", children=[Tree("sync"), Tree("flaky")]))
    rig.start()
    await rig.reaches(tree.job.id, "completed")

    assert proxy.lost == 1
    assert [job.created for job in tree] == [True] * 3
    assert await count_jobs(rig) == 3
    assert sorted(rig.runs) == sorted(job.id for job in tree)
    assert await check_queue(rig.sender, rig.keys()) == []


@pytest.mark.parametrize("is_quick", [False, True], ids=["children pending", "children done"])
async def test_a_wait_for_children_whose_reply_is_lost_costs_no_attempt(
    rig: Any, proxy: Proxy, is_quick: bool
) -> None:
    async def family(job: Any) -> Any:
        if not job.results:
            proxy.lose_reply(SETTLE)
            child = await client.add_child(job, "slow", id="kid")
            if is_quick:
                await child.result("4s")
            raise WaitForChildren
        return [job.results, job.attempt]

    rig.job(lambda job: job.id, "slow", queue="mails", run_in="async")
    rig.job(family, "family")
    client = Client(rig.pipeline, sender=rig.sender, clock=rig.clock)
    job_id = await rig.add(name="family")
    rig.start("mails")
    start_behind(rig, proxy)

    assert (await rig.reaches(job_id, "completed")).returnvalue == [{"kid": "kid"}, 1]
    assert proxy.lost == 1
    assert await check_queue(rig.sender, rig.keys()) == []
