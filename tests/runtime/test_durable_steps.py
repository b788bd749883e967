"""`job.step`: a retry goes on where the attempt before it failed."""

from __future__ import annotations

import asyncio

import pytest

from toril.declarations.job_type import Retry
from toril.errors import InvalidData, LockLost
from toril.runtime.calls.durable_steps import keep_step, read_steps
from toril.runtime.calls.jobs import remove_job, retry_job
from toril.runtime.job import ClaimedJob


async def test_a_retry_is_given_what_a_step_before_the_failure_gave(rig):
    charged = []

    async def charge():
        charged.append("card")
        return {"receipt": (1, "ä")}

    async def sync(job):
        receipt = await job.step("charge", charge)
        if job.attempt == 1:
            raise ConnectionError("mail is away")
        return receipt

    rig.job(sync, retry=Retry(attempts=2))
    job_id = await rig.add()
    rig.start()

    job = await rig.reaches(job_id, "completed")
    assert job.returnvalue == {"receipt": [1, "ä"]}
    assert charged == ["card"]


async def test_the_first_attempt_sees_the_result_as_later_ones_do(rig):
    async def sync(job):
        first = await job.step("a", lambda: (1, 2))
        return [first == [1, 2], await job.step("a", lambda: "other")]

    rig.job(sync)
    job_id = await rig.add()
    rig.start()

    assert (await rig.reaches(job_id, "completed")).returnvalue == [True, [1, 2]]


async def test_a_step_that_raises_keeps_nothing(rig):
    tries = []

    async def sync(job):
        def charge():
            tries.append(job.attempt)
            if job.attempt == 1:
                raise ConnectionError("away")

        return await job.step("charge", charge)

    rig.job(sync, retry=Retry(attempts=2))
    job_id = await rig.add()
    rig.start()

    await rig.reaches(job_id, "completed")
    assert tries == [1, 2]


async def test_threads_have_steps_too(rig):
    ran = []

    def sync(job):
        value = job.step("a", lambda: ran.append("a"))
        if job.attempt == 1:
            raise ConnectionError("away")
        return value

    rig.job(sync, retry=Retry(attempts=2))
    job_id = await rig.add()
    rig.start()

    await rig.reaches(job_id, "completed")
    assert ran == ["a"]


async def test_a_step_of_a_thread_may_be_a_coroutine_function(rig):
    async def charge():
        await asyncio.sleep(0)
        return "receipt"

    def sync(job):
        return job.step("charge", charge)

    rig.job(sync)
    job_id = await rig.add()
    rig.start()

    assert (await rig.reaches(job_id, "completed")).returnvalue == "receipt"


async def test_steps_may_run_side_by_side_but_not_within_themselves(rig):
    async def sync(job):
        async def again():
            await job.step("a", lambda: 1)

        both = await asyncio.gather(
            job.step("b", lambda: asyncio.sleep(0, "b")), job.step("c", lambda: "c")
        )
        with pytest.raises(RuntimeError, match=r"step 'a' of job '.*' is under way already"):
            await job.step("a", again)
        return both

    rig.job(sync)
    job_id = await rig.add()
    rig.start()

    assert (await rig.reaches(job_id, "completed")).returnvalue == ["b", "c"]


async def test_a_job_that_is_retried_by_hand_keeps_its_steps_until_it_is_removed(rig):
    ran = []

    async def sync(job):
        await job.step("a", lambda: ran.append(1))
        raise ConnectionError("away")

    rig.job(sync)
    job_id = await rig.add()
    rig.start()
    await rig.reaches(job_id, "failed")

    await rig.sender.send(retry_job(rig.keys(), job_id, now_ms=rig.clock.now_ms()))
    while (await rig.stored(job_id)).attempts_started < 2:  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    job = await rig.reaches(job_id, "failed")
    await rig.sender.send(remove_job(rig.keys(), job_id))

    assert ran == [1]
    assert read_steps(job) == {"a": b"null"}
    assert not await rig.redis.exists(rig.keys().job(job_id))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("x" * 1_100_000, "the result of step 'a' is 1100002 bytes of JSON, expected at most"),
        (object(), "the result of step 'a'"),
    ],
)
async def test_a_result_that_cannot_be_kept_fails_the_attempt(rig, value, message):
    async def sync(job):
        with pytest.raises(InvalidData, match=message):
            await job.step("a", lambda: value)

    rig.job(sync)
    job_id = await rig.add()
    rig.start()

    await rig.reaches(job_id, "completed")


@pytest.mark.parametrize("name", ["", "x" * 129, "half \udcff", "two\nlines", 7])
async def test_a_step_with_a_name_that_cannot_be_kept_is_refused_before_it_runs(rig, name):
    ran = []

    async def sync(job):
        with pytest.raises(ValueError, match="expected a step's name of 1 to 128 printable char"):
            await job.step(name, lambda: ran.append(name))
        return ran

    rig.job(sync)
    job_id = await rig.add()
    rig.start()

    assert (await rig.reaches(job_id, "completed")).returnvalue == []


async def test_an_owner_whose_job_was_started_again_keeps_nothing(rig):
    rig.job(lambda job: None)
    job_id = await rig.add()
    await rig.redis.hset(rig.keys().job(job_id), "t:o", "other#2")
    job = ClaimedJob("orders", job_id, {b"t:o": b"mine#1"})

    with pytest.raises(LockLost, match="the result of step 'a' is not kept"):
        await rig.sender.send(keep_step(rig.keys(), job, "a", b"1"))

    assert read_steps(await rig.stored(job_id)) == {}


async def test_an_owner_whose_job_another_runtime_has_started_keeps_nothing(rig):
    rig.job(lambda job: None)
    job_id = await rig.add()
    await rig.redis.hset(rig.keys().job(job_id), mapping={"t:o": "mine#1", "ats": 2})
    job = ClaimedJob("orders", job_id, {b"t:o": b"mine#1"})

    with pytest.raises(LockLost, match="the result of step 'a' is not kept"):
        await rig.sender.send(keep_step(rig.keys(), job, "a", b"1"))

    assert read_steps(await rig.stored(job_id)) == {}


async def test_a_result_that_is_kept_again_after_a_lost_reply_is_the_first(rig):
    rig.job(lambda job: None)
    job_id = await rig.add()
    await rig.redis.hset(rig.keys().job(job_id), mapping={"t:o": "mine#1", "ats": 1})
    job = ClaimedJob("orders", job_id, {b"t:o": b"mine#1"})

    kept = [await rig.sender.send(keep_step(rig.keys(), job, "a", r)) for r in (b"1", b"2")]

    assert kept == [b"1", b"1"]
