"""Dead letters: the copy that a job leaves when it fails for good, and the job that handles it."""

from __future__ import annotations

import asyncio
import json

import pytest

from toril.declarations.dead_letter import DeadLetterRule
from toril.declarations.job_type import Keep, KeepRule, Retry
from toril.errors import Unrecoverable
from toril.runtime import packing
from toril.runtime.calls.jobs import list_jobs
from toril.runtime.states import JobState


@pytest.fixture
def letters(rig):
    """Declares queue `letters` with a job `keep`, and gives what that job has seen."""
    seen = []

    async def keep(job):
        seen.append(job.data)

    rig.queue("letters")
    rig.job(keep, "keep", queue="letters")
    return seen


async def broken(job):
    raise ConnectionError("exchange is away")


async def kept(rig, state=JobState.WAITING):
    return await rig.sender.send(list_jobs(rig.keys("letters"), state))


RULE = DeadLetterRule(queue="letters", job="keep")


async def test_a_job_that_fails_for_good_leaves_a_letter_that_its_handler_sees(rig, letters):
    clock = rig.use_virtual_clock()
    rig.job(broken, dead_letter=RULE, retry=Retry(attempts=2))
    job_id = await rig.add({"user": "ädä", "n": 12345678901234567, "list": []})
    rig.start()

    await rig.reaches(job_id, "failed")
    letter = await rig.reaches(f"orders.{job_id}.2", "completed", "letters")
    assert letters == [
        {
            "queue": "orders",
            "job": "sync",
            "id": job_id,
            "data": {"user": "ädä", "n": 12345678901234567, "list": []},
            "error": {"type": "ConnectionError", "message": "exchange is away"},
            "attempts": 2,
            "failed_at": letter.data["failed_at"],
        }
    ]
    assert letter.name == "keep"
    assert clock.now_ms() == letter.timestamp_ms


async def test_a_retry_leaves_none(rig, letters):
    async def sync(job):
        if job.attempt == 1:
            raise ConnectionError("away")

    rig.job(sync, dead_letter=RULE, retry=Retry(attempts=2))
    job_id = await rig.add()
    rig.start("orders")

    await rig.reaches(job_id, "completed")
    assert await kept(rig) == []


async def test_the_letter_stays_when_the_failed_job_is_not_kept(rig, letters):
    rig.job(broken, dead_letter=RULE, keep=Keep(failed=KeepRule(count=0)))
    job_id = await rig.add({"n": 1})
    rig.start("orders")

    while not (found := await kept(rig)):  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    assert found[0].data["id"] == job_id
    assert not await rig.redis.exists(rig.keys().job(job_id))


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("${{ error.type == 'ConnectionError' }}", 1),
        ("${{ error.message.contains('exchange') && data.n > 1 }}", 0),
        ("${{ job.name == 'sync' && job.queue == 'orders' && job.attempts == 1 }}", 1),
        ("${{ data.missing == 1 }}", 1),
    ],
)
async def test_when_says_which_failures_leave_one(rig, letters, when, expected):
    rig.job(broken, dead_letter=DeadLetterRule(queue="letters", job="keep", when=when))
    job_id = await rig.add({"n": 1})
    rig.start("orders")

    await rig.reaches(job_id, "failed")
    assert len(await kept(rig)) == expected


async def test_what_fails_without_running_leaves_one_too(rig, letters):
    rig.job(broken, dead_letter=RULE)
    rig.queue("orders", dead_letter=RULE)
    stalled, unknown = await rig.add(), await rig.add(name="nobody-knows")
    reason = "job stalled more than allowable limit"
    await rig.redis.hset(rig.keys().job(stalled), "defa", reason)
    rig.start("orders")

    await rig.reaches(stalled, "failed")
    await rig.reaches(unknown, "failed")
    types = {letter.data["job"]: letter.data["error"]["type"] for letter in await kept(rig)}
    assert types == {"sync": "JobStalled", "nobody-knows": "Unrecoverable"}


async def test_a_result_that_cannot_be_stored_leaves_one(rig, letters):
    async def sync(job):
        return object()

    rig.job(sync, dead_letter=RULE)
    job_id = await rig.add()
    rig.start("orders")

    await rig.reaches(job_id, "failed")
    assert [letter.data["error"]["type"] for letter in await kept(rig)] == ["InvalidData"]


async def test_data_that_is_no_json_is_kept_as_text(rig, letters):
    rig.job(broken, dead_letter=RULE)
    job_id = await rig.add()
    await rig.redis.hset(rig.keys().job(job_id), "data", b'{"half": \xff')
    rig.start("orders")

    await rig.reaches(job_id, "failed")
    assert [letter.data["data"] for letter in await kept(rig)] == ['{"half": �']


async def test_the_field_of_a_letter_has_what_sending_it_back_takes(rig, letters):
    rig.job(broken, dead_letter=RULE)
    job_id = await rig.add(priority=3, opts={"attempts": 1, "backoff": {"type": "x", "delay": 5}})
    rig.start("orders")

    await rig.reaches(job_id, "failed")
    [letter] = await kept(rig)
    origin = json.loads(letter.fields[b"t:dl"])
    opts = origin.pop("opts")
    assert origin == {
        "queue": "orders",
        "id": job_id,
        "name": "sync",
        "priority": 3,
        "fields": {"ats": "1"},
    }
    assert (opts["attempts"], opts["backoff"]) == (1, {"type": "x", "delay": 5})


async def test_a_failure_that_is_settled_again_adds_no_second_letter(rig, letters):
    async def sync(job):
        raise Unrecoverable("no")

    rig.job(sync, dead_letter=RULE)
    job_id = await rig.add()
    worker = rig.start("orders")
    await rig.reaches(job_id, "failed")
    await worker.stop(1)
    # As after a reply that was lost while the server lost its last second, too.
    await rig.redis.zrem(rig.keys().failed, job_id)
    await rig.redis.hset(rig.keys().job(job_id), "ats", 0)
    await rig.redis.rpush(rig.keys().wait, job_id)

    rig.start("orders")
    await rig.reaches(job_id, "failed")

    assert len(await kept(rig)) == 1


async def test_toril_dead_letter_added_is_told(rig, letters):
    rig.job(broken, dead_letter=RULE)
    job_id = await rig.add()
    rig.start("orders")

    await rig.reaches(job_id, "failed")
    assert rig.hooks.of("toril_dead_letter_added") == [
        {
            "queue": "letters",
            "job_id": f"orders.{job_id}.1",
            "from_queue": "orders",
            "from_id": job_id,
            "job_type": "sync",
            "error": "exchange is away",
        }
    ]
    assert rig.said("dead_letter_added")[0]["letter_queue"] == "letters"


async def test_large_letters_travel_in_several_calls(rig, letters, monkeypatch):
    async def sync(job):
        await asyncio.sleep(0.05)
        raise ConnectionError("away")

    rig.queue("orders", concurrency=40)
    rig.job(sync, dead_letter=RULE)
    ids = await rig.add_many([{"text": "x" * 1_000_000} for _ in range(40)])
    monkeypatch.setattr(packing, "MAX_BYTES", 6_000_000)
    rig.start("orders")

    for job_id in ids:
        await rig.reaches(job_id, "failed", within_s=10)
    assert rig.said("job_unsettled") == []
    assert await rig.redis.llen(rig.keys("letters").wait) == 40


def test_a_queue_where_letters_only_lie_is_not_worked(rig):
    rig.queue("letters")
    rig.job(broken, dead_letter=DeadLetterRule(queue="letters"))

    assert [queue.name for queue in rig.pipeline.worked_queues] == ["orders", "mails"]
