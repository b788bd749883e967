"""The clients, async and sync, against a real server: one suite for both."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from toril import errors
from toril.client import Client
from toril.declarations.flow import Flow, Step
from toril.declarations.job_type import Keep, KeepRule
from toril.runtime.calls.queues import read_counts
from toril.runtime.connection import connect_sync
from toril.runtime.scripts import load_script
from toril.runtime.sender import AsyncSender
from toril.runtime.sync_sender import SyncSender
from toril.sync_client import SyncClient

GENERATED_ID = re.compile(r"[0-9A-Za-z_~]{20}")


async def echo(job: Any) -> Any:
    if job.data == {"fail": True}:
        raise ValueError("no such user")
    await job.progress(50)
    await job.log("half way")
    return {"echo": job.data}


async def count(rig: Any, queue: str = "orders") -> Any:
    return await rig.sender.send(read_counts(rig.keys(queue)))


async def test_an_added_job_runs_and_its_result_comes_back(rig: Any, make_client: Any) -> None:
    rig.job(echo)
    client = make_client()

    handle = await client.add("sync", {"user": "u1"})
    rig.start()

    assert await handle.result(timeout="4s") == {"echo": {"user": "u1"}}
    assert await handle.state() == "completed"
    assert await handle.progress() == 50
    assert await handle.logs() == ["half way"]
    assert GENERATED_ID.fullmatch(handle.id)
    assert (handle.queue, handle.created) == ("orders", True)


async def test_a_job_that_fails_raises_its_error_to_who_waits(rig: Any, make_client: Any) -> None:
    rig.job(echo)
    client = make_client()
    handle = await client.add("sync", {"fail": True})
    rig.start()

    with pytest.raises(errors.JobFailed) as caught:
        await handle.result(timeout=4)

    assert caught.value.reason == "no such user"
    assert str(caught.value) == (f"job {handle.id!r} of queue 'orders' failed: no such user")


async def test_an_id_that_exists_adds_nothing(rig: Any, make_client: Any) -> None:
    rig.job(echo)
    client = make_client()

    first = await client.add("sync", {"n": 1}, id="sync-u1")
    second = await client.add("sync", {"n": 2}, id="sync-u1")

    assert (first.created, second.created) == (True, False)
    assert (await second.refresh()).data == {"n": 1}
    assert (await count(rig)).waiting == 1
    assert [told["job_id"] for told in rig.hooks.of("toril_job_added")] == ["sync-u1"]


async def test_options_decide_where_a_job_waits(rig: Any, make_client: Any) -> None:
    rig.job(echo)
    client = make_client()

    await client.add("sync", delay="1h")
    await client.add("sync", at="2030-01-01T00:00:00Z", priority=1)
    await client.add("sync", priority=7)
    first = await client.add("sync", {"n": 1})
    last = await client.add("sync", {"n": 2}, lifo=True)

    counts = await count(rig)
    assert (counts.delayed, counts.prioritized, counts.waiting) == (2, 1, 2)
    assert await rig.redis.lrange(rig.keys().wait, 0, -1) == [first.id.encode(), last.id.encode()]


async def test_what_is_refused_stores_nothing(rig: Any, make_client: Any) -> None:
    rig.job(echo, data_schema={"type": "object", "required": ["user"]})
    client = make_client()

    for data, options in (
        ({"user": {1}}, {}),
        ({"user": "x" * 2**20}, {}),
        ({}, {}),
        ({"user": 1}, {"id": "12"}),
        ({"user": 1}, {"priority": -1}),
    ):
        with pytest.raises(errors.AddError):
            await client.add("sync", data, **options)
    with pytest.raises(errors.UnknownName, match="no job type 'snyc'; did you mean 'sync'"):
        await client.add("snyc", {"user": 1})

    assert [key async for key in rig.redis.scan_iter(f"{rig.keys().base}*")] == []


async def test_many_are_added_in_order_and_all_or_none_are_wrong(
    rig: Any, make_client: Any
) -> None:
    rig.job(echo)
    client = make_client()

    handles = await client.add_many("sync", ({"n": n} for n in range(2_500)))
    with pytest.raises(errors.InvalidData):
        await client.add_many("sync", [{"n": 1}, {"n": float("nan")}])

    waiting = await rig.redis.lrange(rig.keys().wait, 0, -1)
    assert [job_id.decode() for job_id in reversed(waiting)] == [h.id for h in handles]
    assert len(rig.hooks.of("toril_job_added")) == 2_500


async def test_a_job_can_be_retried_promoted_and_removed(rig: Any, make_client: Any) -> None:
    rig.job(echo)
    client = make_client()
    handle = await client.add("sync", {"fail": True}, delay=3600)

    await handle.promote()
    assert await handle.state() == "waiting"
    worker = rig.start()
    await rig.reaches(handle.id, "failed")
    await worker.stop(0)
    await handle.retry()
    assert await handle.state() == "waiting"
    await handle.remove()

    assert await handle.state() == "unknown"
    for act in (handle.refresh, handle.promote, handle.retry, handle.remove, handle.progress):
        with pytest.raises(errors.JobNotFound, match=f"no job '{handle.id}' in queue 'orders'"):
            await act()


async def test_a_wait_that_takes_too_long_ends(rig: Any, make_client: Any) -> None:
    rig.job(echo)
    client = make_client()
    handle = await client.add("sync")

    with pytest.raises(errors.WaitTimeout, match="has not finished within 50ms"):
        await handle.result(timeout="50ms")


async def test_the_result_of_a_job_that_is_not_kept_comes_back(rig: Any, make_client: Any) -> None:
    rig.job(echo, keep=Keep(completed=KeepRule(count=0)))
    client = make_client()
    handle = await client.add("sync", 7)
    rig.start()

    assert await handle.result("4s") == {"echo": 7}
    assert await handle.state() == "unknown"


@pytest.fixture
def flow_rig(rig: Any) -> Any:
    """The rig with a flow of two steps."""
    rig.job(echo, "load")
    rig.job(echo, "report", queue="mails")
    steps = {
        "load": Step(name="load", job="load", data="${{ inputs.what }}"),
        "report": Step(
            name="report", job="report", needs=("load",), data="${{ needs.load.result.echo }}"
        ),
    }
    flow = Flow(name="daily", inputs={"required": ["what"]}, steps=steps)
    rig.pipeline = replace(rig.pipeline, flows={"daily": flow})
    return rig


async def test_a_flow_runs_and_its_last_result_comes_back(flow_rig: Any, make_client: Any) -> None:
    client = make_client()

    run = await client.start_flow("daily", {"what": "prices"}, run_id="r1")
    again = await client.start_flow("daily", {"what": "prices"}, run_id="r1")
    before = await run.state()
    flow_rig.start()

    assert await run.result("4s") == {"echo": "prices"}
    assert (run.run, run.created, again.created, before.state) == ("r1", True, False, "waiting")
    after = await run.state()
    assert {name: step.state for name, step in after.steps.items()} == {
        "load": "completed",
        "report": "completed",
    }


async def test_a_run_that_fails_tells_which_step_failed(flow_rig: Any, make_client: Any) -> None:
    client = make_client()
    run = await client.start_flow("daily", {"what": {"fail": True}}, run_id="r1")
    flow_rig.start()

    with pytest.raises(errors.JobFailed) as caught:
        await run.result("4s")

    assert str(caught.value) == ("run 'r1' of flow 'daily' failed: step 'load': no such user")


async def test_of_adds_of_one_loop_turn_the_first_leaves_at_once_and_others_travel_together(
    rig: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.job(echo)
    sent: list[str] = []
    send = rig.sender.send

    def note(call: Any) -> Any:
        sent.append(call.script)
        return send(call)

    monkeypatch.setattr(rig.sender, "send", note)
    client = Client(rig.pipeline, sender=rig.sender, clock=rig.clock)

    handles = await asyncio.gather(*(client.add("sync", {"n": n}) for n in range(100)))

    assert sent == ["add_plain", "add", "add", "add", "add"]
    waiting = await rig.redis.lrange(rig.keys().wait, 0, -1)
    assert sorted(waiting) == sorted(handle.id.encode() for handle in handles)


async def test_adds_keep_their_order_where_the_server_knows_only_some_of_the_scripts(
    rig: Any,
) -> None:
    rig.job(echo)
    client = Client(rig.pipeline, sender=rig.own_sender(), clock=rig.clock)
    await rig.redis.script_flush()
    await rig.redis.script_load(load_script("add").source)

    handles = await asyncio.gather(*(client.add("sync", {"n": n}) for n in range(5)))

    waiting = await rig.redis.lrange(rig.keys().wait, 0, -1)
    assert waiting[::-1] == [handle.id.encode() for handle in handles]


@pytest.fixture
def lose_replies(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """`lose_replies(n)`: the next n calls of any sender run, but their replies never arrive."""

    def lose(number: int) -> None:
        left = [number]

        def reply(value: Any) -> Any:
            if left[0]:
                left[0] -= 1
                raise errors.RedisUnavailable("the reply was lost")
            return value

        send, send_sync = AsyncSender.send, SyncSender.send

        async def send_losing(self: Any, call: Any) -> Any:
            return reply(await send(self, call))

        monkeypatch.setattr(AsyncSender, "send", send_losing)
        monkeypatch.setattr(SyncSender, "send", lambda self, call: reply(send_sync(self, call)))

    return lose


async def test_a_lost_reply_adds_nothing_twice(
    rig: Any, make_client: Any, lose_replies: Callable[[int], None]
) -> None:
    rig.job(echo)
    client = make_client()

    lose_replies(2)
    handle = await client.add("sync")

    assert handle.created
    assert (await count(rig)).waiting == 1


async def test_an_add_gives_up_when_redis_stays_away(
    rig: Any, make_client: Any, lose_replies: Callable[[int], None]
) -> None:
    rig.job(echo)
    client = make_client()

    lose_replies(4)
    with pytest.raises(errors.RedisUnavailable, match="the reply was lost"):
        await client.add("sync")


async def test_an_add_that_is_cancelled_under_way_holds_up_no_other_and_not_the_end(
    rig: Any,
) -> None:
    rig.job(echo)
    client = Client(rig.pipeline, sender=rig.sender, clock=rig.clock)
    await client.add("sync")
    adding = [asyncio.create_task(client.add("sync")) for _ in range(3)]
    await asyncio.sleep(0)

    adding[0].cancel()
    done = await asyncio.gather(*adding, return_exceptions=True)
    await client.add("sync")
    await client.close()

    assert isinstance(done[0], asyncio.CancelledError)
    # It was written already.
    assert (await count(rig)).waiting == 5


async def test_an_add_that_cannot_be_sent_is_told_to_whoever_made_it(rig: Any) -> None:
    rig.job(echo)
    client = Client(rig.pipeline, sender=rig.sender, clock=rig.clock)
    adding = [asyncio.create_task(client.add("sync")) for _ in range(3)]
    await asyncio.sleep(0)

    client._sender = None
    done = await asyncio.gather(*adding, return_exceptions=True)

    assert [type(each).__name__ for each in done] == ["JobHandle", "ClientClosed", "ClientClosed"]


async def test_closing_sends_what_was_added(rig: Any) -> None:
    rig.job(echo)
    client = Client(rig.pipeline, sender=rig.sender, clock=rig.clock)
    adding = asyncio.create_task(client.add("sync"))
    await asyncio.sleep(0)

    await client.close()

    assert (await count(rig)).waiting == 1
    await adding


async def test_jobs_add_other_jobs_from_the_loop_and_from_threads(rig: Any) -> None:
    async def on_the_loop(job: Any) -> str:
        return (await job.client.add("mail", {"from": job.id})).id

    def in_a_thread(job: Any) -> str:
        return job.client.add("mail", {"from": job.id}).id

    rig.job(on_the_loop, "loop")
    rig.job(in_a_thread, "thread")
    rig.job(echo, "mail", queue="mails")
    redis = connect_sync(rig.url)
    client = Client(rig.pipeline, sender=rig.sender, clock=rig.clock)
    threads = SyncClient(rig.pipeline, sender=SyncSender(redis), clock=rig.clock)
    adding = [await client.add("loop"), await client.add("thread")]

    rig.start(client=client, thread_client=threads)

    for handle in adding:
        mail = await handle.result("4s")
        assert await client.job("mails", mail).result("4s") == {"echo": {"from": handle.id}}
    await client.close()
    redis.close()
