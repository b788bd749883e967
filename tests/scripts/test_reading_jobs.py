"""Tests of lua/read_state, read_jobs, list_jobs."""

from __future__ import annotations

import pytest

from toril.declarations.job_type import KeepRule
from toril.errors import JobNotFound
from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.claim import Owner
from toril.runtime.calls.jobs import Ending, list_jobs, read_job, read_jobs, read_state
from toril.runtime.calls.settle import settle_and_claim
from toril.runtime.job import NewJob
from toril.runtime.outcomes import Completed, Failed
from toril.runtime.states import JobState

NOW = 1_790_000_000_000
OWNER = Owner("tok", 30_000)


def job(job_id: str, **more) -> NewJob:
    return NewJob(id=job_id, queue="orders", name="sync", data=b'{"n":1}', timestamp_ms=NOW, **more)


@pytest.fixture
async def one_of_each(sender, redis, keys):
    """A queue with one job in every state, named after it; also one that is in none."""
    jobs = [job("completed-job"), job("failed-job"), job("active-job")]
    outcomes = [
        Completed("completed-job", b'{"ok":true}', KeepRule()),
        Failed("failed-job", "boom é", b"[]", KeepRule(), 1),
    ]
    await sender.send(add_jobs(keys.prefix, jobs, now_ms=NOW))
    await sender.send(settle_and_claim(keys, owner=OWNER, claim=3, now_ms=NOW))
    await sender.send(settle_and_claim(keys, owner=OWNER, outcomes=outcomes, now_ms=NOW + 5))
    rest = [
        job("waiting-job"),
        job("delayed-job", delay_ms=500),
        job("prioritized-job", priority=1),
        job("waiting-children-job", waits_for_children=True),
    ]
    # Without children it would be released at once.
    await redis.sadd(keys.dependencies("waiting-children-job"), keys.job("x"))
    await sender.send(add_jobs(keys.prefix, rest, now_ms=NOW))
    await redis.hset(keys.job("stray"), "name", "sync")
    await redis.hset(keys.job("in-paused"), "name", "sync")
    await redis.rpush(keys.paused, "in-paused")


@pytest.mark.parametrize(
    ("job_id", "ending"),
    [
        ("waiting-job", Ending(JobState.WAITING)),
        ("in-paused", Ending(JobState.WAITING)),
        ("prioritized-job", Ending(JobState.PRIORITIZED)),
        ("delayed-job", Ending(JobState.DELAYED)),
        ("active-job", Ending(JobState.ACTIVE)),
        ("waiting-children-job", Ending(JobState.WAITING_CHILDREN)),
        ("completed-job", Ending(JobState.COMPLETED, result=b'{"ok":true}')),
        ("failed-job", Ending(JobState.FAILED, reason="boom é")),
        ("stray", Ending(JobState.UNKNOWN)),
    ],
)
async def test_the_state_is_told(sender, keys, one_of_each, job_id, ending) -> None:
    assert await sender.send(read_state(keys, job_id)) == ending


async def test_the_state_of_no_job_is_an_error(sender, keys) -> None:
    with pytest.raises(JobNotFound) as raised:
        await sender.send(read_state(keys, "nope"))

    assert str(raised.value) == "no job 'nope' in queue 'orders'"


async def test_jobs_are_read_with_their_states(sender, keys, one_of_each) -> None:
    failed, nothing, delayed = await sender.send(
        read_jobs(keys, ["failed-job", "nope", "delayed-job"])
    )

    assert (failed.state, failed.job.id, failed.job.failed_reason) == (
        JobState.FAILED,
        "failed-job",
        "boom é",
    )
    assert nothing is None
    assert (delayed.state, delayed.job.delay_ms, delayed.job.data) == (
        JobState.DELAYED,
        500,
        {"n": 1},
    )


async def test_one_job_is_read_or_none(sender, keys, one_of_each) -> None:
    found = await sender.send(read_job(keys, "completed-job"))

    assert found is not None
    assert (found.queue, found.id, found.returnvalue) == ("orders", "completed-job", {"ok": True})
    assert await sender.send(read_job(keys, "nope")) is None


@pytest.mark.parametrize("state", [state for state in JobState if state is not JobState.UNKNOWN])
async def test_every_state_can_be_listed(sender, keys, one_of_each, state) -> None:
    ids = [found.id for found in await sender.send(list_jobs(keys, state))]

    assert ids == {
        JobState.WAITING: ["waiting-job", "in-paused"],
    }.get(state, [f"{state.value}-job"])


async def list_ids(sender, keys, state: JobState, **page) -> list[str]:
    return [found.id for found in await sender.send(list_jobs(keys, state, **page))]


@pytest.fixture
async def five_waiting(sender, redis, keys):
    """Jobs 1 to 5, the first two of them in v5's `paused`."""
    jobs = [job(f"j{n}") for n in range(1, 6)]
    await sender.send(add_jobs(keys.prefix, jobs, now_ms=NOW))
    for _ in range(2):
        await redis.rpoplpush(keys.wait, keys.paused)


@pytest.mark.parametrize(
    ("page", "ids"),
    [
        ({}, ["j5", "j4", "j3", "j2", "j1"]),
        ({"count": 2}, ["j5", "j4"]),
        ({"first": 2, "count": 2}, ["j3", "j2"]),
        ({"first": 4, "count": 9}, ["j1"]),
        ({"first": 9}, []),
        ({"count": 0}, []),
        ({"count": 3, "newest_first": False}, ["j1", "j2", "j3"]),
        ({"first": 1, "count": 9, "newest_first": False}, ["j2", "j3", "j4", "j5"]),
    ],
)
async def test_a_page_of_waiting_jobs_runs_over_both_lists(
    sender, keys, five_waiting, page, ids
) -> None:
    assert await list_ids(sender, keys, JobState.WAITING, **page) == ids


@pytest.mark.parametrize(
    ("page", "ids"),
    [
        ({"count": 2}, ["d3", "d2"]),
        ({"count": 2, "newest_first": False}, ["d1", "d2"]),
        ({"first": 1, "count": 1}, ["d2"]),
    ],
)
async def test_a_page_of_delayed_jobs(sender, keys, page, ids) -> None:
    jobs = [job(f"d{n}", delay_ms=n * 1000) for n in (1, 2, 3)]
    await sender.send(add_jobs(keys.prefix, jobs, now_ms=NOW))

    assert await list_ids(sender, keys, JobState.DELAYED, **page) == ids


async def test_an_id_without_a_job_is_passed_over(sender, redis, keys) -> None:
    await redis.rpush(keys.wait, "ghost")

    assert await list_ids(sender, keys, JobState.WAITING) == []


async def test_jobs_in_no_state_cannot_be_listed(keys) -> None:
    with pytest.raises(ValueError) as raised:
        list_jobs(keys, JobState.UNKNOWN)

    assert str(raised.value) == "expected a state that jobs can be listed by, got 'unknown'"
