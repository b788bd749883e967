"""Tests of lua/count_priorities, read_metrics, list_old_repeats, list_jobs over many states."""

from __future__ import annotations

import pytest

from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.jobs import find_jobs
from toril.runtime.calls.metrics import Metrics, read_metrics
from toril.runtime.calls.queues import count_delayed, count_priorities, list_workers
from toril.runtime.job import NewJob
from toril.runtime.old_repeats import find_old_repeats
from toril.runtime.states import JobState
from toril.runtime.steps import walk

NOW = 1_790_000_000_000


def add(*ids: str, **more):
    jobs = [
        NewJob(id=one, queue="orders", name="sync", data=b"{}", timestamp_ms=NOW, **more)
        for one in ids
    ]
    return lambda keys: add_jobs(keys.prefix, jobs, now_ms=NOW)


TABLE = {
    "ready jobs are counted by priority": {
        "before": [
            add("a"),
            ("LPUSH", "paused", "v5"),
            add("b", "c", priority=1),
            add("d", priority=2),
        ],
        "call": lambda keys: count_priorities(keys, [0, 1, 2, 3]),
        "reply": {0: 2, 1: 2, 2: 1, 3: 0},
    },
    "the largest priority is counted": {
        "before": [add("a", priority=2**21 - 1)],
        "call": lambda keys: count_priorities(keys, [2**21 - 1]),
        "reply": {2**21 - 1: 1},
    },
    "delayed jobs are counted up to an instant": {
        "before": [add("a", "b", delay_ms=5), add("c", delay_ms=6)],
        "call": lambda keys: count_delayed(keys, before_ms=NOW + 6),
        "reply": 2,
    },
    "metrics of BullMQ's are read": {
        "before": [
            ("HSET", "metrics:failed", "count", "9", "prevTS", "1790000000000", "prevCount", "8"),
            ("RPUSH", "metrics:failed:data", "3", "0", "5"),
        ],
        "call": lambda keys: read_metrics(keys, "failed", last=1),
        "reply": Metrics(count=9, per_minute=(3, 0), minutes=3, counted_at_ms=NOW),
    },
    "metrics that nobody wrote are empty": {
        "call": lambda keys: read_metrics(keys, "completed"),
        "reply": Metrics(count=0, per_minute=(), minutes=0, counted_at_ms=None),
    },
    "nobody works a queue": {"call": list_workers, "reply": []},
}


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
async def test_asking_a_queue(check, row) -> None:
    await check(**row)


async def test_repeatable_jobs_of_the_old_kind_are_found_on_every_page(sender, redis, keys) -> None:
    await redis.zadd(keys.repeat, {f"r{n:03}": n for n in range(501)})
    for n in range(500):
        await redis.hset(keys.scheduler(f"r{n:03}"), "ic", 1)

    assert await walk(find_old_repeats(keys), sender.send) == ["r500"]


async def list_found(sender, keys, *states: JobState, **page) -> list[tuple[str, str]]:
    found = await sender.send(find_jobs(keys, states, **page))
    return [(one.state.value, one.job.id) for one in found]


async def test_a_page_of_each_state_is_listed(sender, keys) -> None:
    await sender.send(add("w1", "w2", "w3")(keys))
    await sender.send(add("d1", "d2", delay_ms=5)(keys))

    found = await list_found(sender, keys, JobState.DELAYED, JobState.WAITING, count=2)

    assert found == [("delayed", "d2"), ("delayed", "d1"), ("waiting", "w3"), ("waiting", "w2")]


async def test_a_page_is_filled_behind_ids_without_a_job(sender, redis, keys) -> None:
    await sender.send(add(*(f"j{n}" for n in range(9)))(keys))
    await redis.delete(keys.job("j8"), keys.job("j6"), keys.job("j5"))
    await redis.delete(keys.job("j0"))
    await redis.set(keys.job("j7"), "no job")

    assert await list_found(sender, keys, JobState.WAITING, count=3) == [
        ("waiting", "j4"),
        ("waiting", "j3"),
        ("waiting", "j2"),
    ]
    oldest = await list_found(sender, keys, JobState.WAITING, count=2, newest_first=False)
    assert oldest == [("waiting", "j1"), ("waiting", "j2")]


async def test_a_page_of_many_states_stays_below_the_most_that_one_call_reads(keys) -> None:
    call = find_jobs(keys, [JobState.WAITING, JobState.FAILED], count=1000)

    assert call.args == ("waiting,failed", 0, 499, 1)
    assert find_jobs(keys, []).script is None
