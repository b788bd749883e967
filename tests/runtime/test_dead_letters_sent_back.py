"""Dead letters that are listed, sent back and removed, by both clients."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from toril.declarations.dead_letter import DeadLetterRule
from toril.declarations.flow import Flow, Step
from toril.declarations.job_type import Keep, KeepRule, Retry
from toril.errors import JobNotFound, WrongState
from toril.runtime import packing
from toril.runtime.states import JobState
from toril.trees import Tree

RULE = DeadLetterRule(queue="letters")
NOT_KEPT = Keep(failed=KeepRule(count=0))


class Exchange:
    """What the jobs of these tests need; it is away until it is not."""

    def __init__(self) -> None:
        self.error: Exception | None = ConnectionError("exchange is away")
        self.served = []

    async def sync(self, job) -> None:
        if self.error is not None:
            raise self.error
        self.served.append((job.id, job.data, job.attempt))


@pytest.fixture
def exchange(rig):
    made = Exchange()
    rig.queue("letters")
    rig.job(made.sync, dead_letter=RULE)
    return made


async def fail(rig, *rows, **more) -> list[str]:
    """Adds a job for each row and waits for its letter; gives the letters' ids."""
    ids = await rig.add_many(list(rows), **more)
    worker = rig.start("orders")
    letters = [f"orders.{job_id}.1" for job_id in ids]
    for letter in letters:
        await arrives(rig, letter)
    await worker.stop(1)
    return letters


async def arrives(rig, letter_id: str, queue: str = "letters") -> None:
    """Waits until a letter is there."""
    deadline = asyncio.get_running_loop().time() + 4
    while not await rig.redis.exists(rig.keys(queue).job(letter_id)):
        assert asyncio.get_running_loop().time() < deadline, rig.events
        await asyncio.sleep(0.005)


async def test_a_letter_tells_of_the_job_that_failed(rig, exchange, make_client):
    clock = rig.use_virtual_clock()
    [letter_id] = await fail(rig, {"user": "u1"})

    [letter] = await make_client().dead_letters().list()

    assert (letter.id, letter.queue, letter.state) == (letter_id, "letters", JobState.WAITING)
    assert (letter.from_queue, letter.from_id, letter.name) == ("orders", "job-1", "sync")
    assert (letter.error_type, letter.error) == ("ConnectionError", "exchange is away")
    assert (letter.data, letter.attempts) == ({"user": "u1"}, 1)
    assert letter.failed_at_ms == clock.now_ms()


async def test_a_job_that_was_kept_runs_again_with_all_its_attempts(rig, exchange, make_client):
    rig.job(exchange.sync, dead_letter=RULE, retry=Retry(attempts=1))
    [letter_id] = await fail(rig, {"n": 1})
    exchange.error = None

    moved = await make_client().dead_letters().replay(letter_id)

    assert moved == 1
    assert not await rig.redis.exists(rig.keys("letters").job(letter_id))
    rig.start("orders")
    await rig.reaches("job-1", "completed")
    assert exchange.served == [("job-1", {"n": 1}, 1)]


async def test_a_job_that_was_not_kept_is_added_as_it_was(rig, exchange, make_client):
    rig.job(exchange.sync, dead_letter=RULE, keep=NOT_KEPT)
    data = b'{"a" : 12345678901234567890123, "b":"\\ud800", "c":"\xc3\xa4 }]", "data":[1.50]}'
    [job_id] = await rig.add_many([{}], priority=3, opts={"attempts": 1, "note": "x"})
    before = await rig.stored(job_id)
    await rig.redis.hset(rig.keys().job(job_id), "data", data)
    worker = rig.start("orders")
    await arrives(rig, f"orders.{job_id}.1")
    await worker.stop(1)

    await make_client().dead_letters().replay(f"orders.{job_id}.1")

    job = await rig.stored(job_id)
    assert job.data_json == data
    assert (job.name, job.priority, job.opts) == ("sync", 3, before.opts)
    assert job.attempts_started == 1
    assert await rig.state(job_id) == "prioritized"


async def test_results_of_durable_steps_come_back_with_a_job(rig, exchange, make_client):
    charged = []

    async def sync(job):
        async def charge():
            charged.append(job.id)
            return "paid"

        await job.step("charge", charge)
        await exchange.sync(job)

    rig.job(sync, dead_letter=RULE, keep=NOT_KEPT)
    [letter_id] = await fail(rig, {})
    exchange.error = None

    await make_client().dead_letters().replay(letter_id)

    rig.start("orders")
    await rig.reaches("job-1", "completed")
    assert charged == ["job-1"]


async def test_a_letter_has_the_data_that_its_job_has_set(rig, exchange, make_client):
    async def sync(job):
        await job.update_data({"page": 7})
        await exchange.sync(job)

    rig.job(sync, dead_letter=RULE, keep=NOT_KEPT)
    [letter_id] = await fail(rig, {"page": 1})

    await make_client().dead_letters().replay(letter_id)

    assert (await rig.stored("job-1")).data == {"page": 7}


async def test_a_letter_that_is_gone_is_told_and_nothing_moves(rig, exchange, make_client):
    [letter_id] = await fail(rig, {})
    letters = make_client().dead_letters()

    with pytest.raises(JobNotFound, match=r"^no dead letter 'x' in queue 'letters'$"):
        await letters.replay(letter_id, "x")
    assert (await letters.get(letter_id)).from_id == "job-1"
    with pytest.raises(JobNotFound, match=r"^no dead letter 'job-1' in queue 'orders'$"):
        await make_client().dead_letters("orders").get("job-1")


async def test_two_who_send_the_same_letters_back_send_each_once(rig, exchange, make_client):
    await fail(rig, *({"n": n} for n in range(30)))
    letters = make_client().dead_letters()

    both = await asyncio.gather(letters.replay_all(), letters.replay_all())

    assert sum(moved.moved for moved in both) == 30
    assert await rig.redis.llen(rig.keys().wait) == 30


async def test_a_job_that_runs_again_already_keeps_its_letter(rig, exchange, make_client):
    [letter_id] = await fail(rig, {})
    client = make_client()
    await client.job("orders", "job-1").retry()

    with pytest.raises(WrongState) as refused:
        await client.dead_letters().replay(letter_id)
    moved = await client.dead_letters().replay_all()

    reason = "its job is there again, and has not failed"
    assert str(refused.value) == f"dead letter {letter_id!r} stays: {reason}"
    assert (moved.moved, moved.refused) == (0, {reason: 1})
    assert await rig.state(letter_id, "letters") == "waiting"


async def test_a_letter_that_is_being_handled_stays(rig, exchange, make_client):
    handling = asyncio.Event()

    async def keep(job):
        handling.set()
        await asyncio.sleep(60)

    rig.job(keep, "keep", queue="letters")
    rig.job(exchange.sync, dead_letter=DeadLetterRule(queue="letters", job="keep"))
    [letter_id] = await fail(rig, {})
    rig.start("letters")
    await handling.wait()
    letters = make_client().dead_letters()

    for move in (letters.replay, letters.purge):
        with pytest.raises(WrongState) as refused:
            await move(letter_id)
        assert str(refused.value) == f"dead letter {letter_id!r} stays: it is being handled"
    assert [letter.state for letter in await letters.list()] == [JobState.ACTIVE]


async def test_a_letter_whose_data_was_changed_brings_its_kept_job_back_only(
    rig, exchange, make_client
):
    first, second = await fail(rig, {"n": 1}, {"n": 2})
    for letter in (first, second):
        await rig.redis.hset(rig.keys("letters").job(letter), "data", "[]")
    client = make_client()
    await client.job("orders", "job-2").remove()

    moved = await client.dead_letters().replay_all()

    reason = "its data was changed, so that it is not known what its job was given"
    assert (moved.moved, moved.refused) == (1, {reason: 1})
    assert (await rig.stored("job-1")).data == {"n": 1}


async def test_a_failed_child_is_sent_back_before_its_parent(rig, exchange, make_client):
    rig.queue("mails", dead_letter=RULE)
    rig.job(exchange.sync, "mail", queue="mails", dead_letter=RULE)
    client = make_client()
    added = await client.add_tree(Tree("mail", children=[Tree("sync")]))
    parent, child = added.job.id, added.children[0].job
    workers = [rig.start("orders"), rig.start("mails")]
    await arrives(rig, f"mails.{parent}.1")
    for worker in workers:
        await worker.stop(1)
    exchange.error = None
    letters = client.dead_letters()

    with pytest.raises(WrongState, match=r"has to be sent back first$"):
        await letters.replay(f"mails.{parent}.1")
    moved = await letters.replay_all()

    assert (moved.moved, moved.refused) == (2, {})
    assert await rig.state(parent, "mails") == "waiting-children"
    rig.start("orders", "mails")
    await rig.reaches(parent, "completed", "mails")
    assert [job_id for job_id, _, _ in exchange.served] == [child.id, parent]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({}, ["job-3", "job-2", "job-1"]),
        ({"job": "sync"}, ["job-3", "job-2", "job-1"]),
        ({"job": "sy??"}, ["job-3", "job-2", "job-1"]),
        ({"job": "export"}, []),
        ({"error": "TimeoutError"}, ["job-2"]),
        ({"error": "*slow"}, ["job-2"]),
        ({"error": "slow"}, []),
        ({"error": "[Errno 3] too slow"}, ["job-2"]),
        ({"from_queue": "orders"}, ["job-3", "job-2", "job-1"]),
        ({"from_queue": "mails"}, []),
        ({"older_than": "90m"}, ["job-2", "job-1"]),
        ({"newer_than": "150m"}, ["job-3", "job-2"]),
        ({"older_than": 7200, "newer_than": "2h"}, ["job-2"]),
    ],
)
async def test_letters_are_chosen_by_job_error_queue_and_age(
    rig, exchange, make_client, choice, expected
):
    clock = rig.use_virtual_clock()
    for error in (ValueError("bad"), TimeoutError("[Errno 3] too slow"), ValueError("bad")):
        exchange.error = error
        await fail(rig, {})
        clock.advance(3600)

    letters = make_client().dead_letters(**choice)

    assert [letter.from_id for letter in await letters.list()] == expected
    assert [letter.from_id for letter in await letters.list(limit=1)] == expected[:1]
    assert (await letters.purge_all()).moved == len(expected)
    assert await rig.redis.llen(rig.keys("letters").wait) == 3 - len(expected)


async def test_many_letters_go_in_batches_and_those_not_meant_stay(rig, exchange, make_client):
    told = []
    for n in range(5):
        exchange.error = KeyError("k") if n % 2 else ValueError("v")
        await fail(rig, *({"n": n} for _ in range(70)))
    client = make_client()

    moved = await client.dead_letters(error="ValueError").replay_all(on_progress=told.append)

    assert (moved.moved, moved.refused) == (210, {})
    assert (told[-1], len(told) >= 3) == (210, True)
    left = await client.dead_letters().list(limit=1000)
    assert {letter.error_type for letter in left} == {"KeyError"}
    assert len(left) == 140


async def test_large_letters_are_sent_back_in_several_calls(
    rig, exchange, make_client, monkeypatch
):
    await fail(rig, *({"text": "x" * 1_000_000} for _ in range(9)))
    monkeypatch.setattr(packing, "MAX_BYTES", 4_500_000)

    moved = await make_client().dead_letters().replay_all()

    assert moved.moved == 9


async def test_a_letter_of_a_letter_goes_back_to_where_it_was(rig, exchange, make_client):
    async def keep(job):
        raise ValueError("cannot keep it")

    rig.queue("last")
    rig.job(keep, "keep", queue="letters", dead_letter=DeadLetterRule(queue="last"), keep=NOT_KEPT)
    rig.job(exchange.sync, dead_letter=DeadLetterRule(queue="letters", job="keep"))
    [letter_id] = await fail(rig, {"n": 1})
    worker = rig.start("letters")
    second = f"letters.{letter_id}.1"
    await arrives(rig, second, "last")
    await worker.stop(1)
    client = make_client()

    await client.dead_letters("last").replay(second)
    [letter] = await client.dead_letters("letters").list()

    assert (letter.from_id, letter.data, letter.id) == ("job-1", {"n": 1}, letter_id)


async def test_an_expired_job_has_its_time_again(rig, exchange, make_client):
    clock = rig.use_virtual_clock()
    exchange.error = None
    rig.job(exchange.sync, dead_letter=RULE, deadline_ms=60_000)
    job_id = await rig.add()
    clock.advance(61)
    worker = rig.start("orders")
    await arrives(rig, f"orders.{job_id}.1")
    await worker.stop(1)
    letter = await rig.stored(f"orders.{job_id}.1", "letters")
    assert json.loads(letter.data_json)["error"]["type"] == "DeadlineExceeded"

    await make_client().dead_letters().replay(letter.id)

    rig.start("orders")
    await rig.reaches(job_id, "completed")


@pytest.mark.parametrize("keep", [Keep(), NOT_KEPT])
async def test_a_flow_goes_on_with_a_step_that_is_sent_back(rig, exchange, make_client, keep):
    async def load(job):
        return {"rows": 3}

    async def total(job):
        return job.data["rows"] + job.results["middle"]

    async def middle(job):
        await exchange.sync(job)
        return job.data["rows"] * 2

    rig.job(load, "load")
    rig.job(middle, "middle", dead_letter=RULE, keep=keep)
    rig.job(total, "total", dead_letter=RULE)
    rows = {"rows": "${{ needs.load.result.rows }}"}
    steps = [
        Step(name="load", job="load"),
        Step(name="middle", job="middle", needs=("load",), data=rows),
        Step(name="total", job="total", needs=("load", "middle"), data=rows),
    ]
    flow = Flow(name="daily", steps={step.name: step for step in steps})
    rig.pipeline = replace(rig.pipeline, flows={"daily": flow})
    worker = rig.start("orders")
    client = make_client()
    await client.start_flow("daily", run_id="r1")
    await arrives(rig, "orders.r1.total.1")
    await worker.stop(1)
    exchange.error = None

    letters = await client.dead_letters().list()
    moved = await client.dead_letters().replay_all()

    assert {one.name: (one.error_type, one.data) for one in letters}["middle"] == (
        "ConnectionError",
        {"rows": 3},
    )
    assert moved.moved == 2
    rig.start("orders")
    job = await rig.reaches("r1.total", "completed")
    assert job.returnvalue == 9


async def test_a_cancelled_job_that_is_sent_back_is_not_cancelled_again(rig, exchange, make_client):
    exchange.error = None
    rig.job(exchange.sync, dead_letter=RULE, keep=NOT_KEPT)
    job_id = await rig.add()
    client = make_client()
    await client.job("orders", job_id).cancel()
    [letter] = await client.dead_letters(error="Cancelled").list()

    await client.dead_letters().replay(letter.id)

    rig.start("orders")
    await rig.reaches(job_id, "completed")
    assert letter.attempts == 0


async def test_a_job_of_a_queue_that_is_not_declared_leaves_no_letter(rig, make_client):
    job_id = await rig.add(queue="unknown")

    await make_client().job("unknown", job_id).cancel()

    assert await rig.state(job_id, "unknown") == "failed"
