"""Limits per key: exact in every window and at every moment, fair between keys, never stuck."""

from __future__ import annotations

import asyncio
import bisect
import json
from collections import Counter, defaultdict

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from toril.adding import JobBuilder
from toril.declarations.job_type import Retry
from toril.declarations.queue import KeyLimit
from toril.declarations.units import Rate
from toril.errors import AddError
from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.jobs import list_jobs, remove_job
from toril.runtime.calls.limits import (
    KeyBounds,
    apply_limits,
    read_limits,
    set_key_max_active,
    set_key_rate,
    wake_parked,
)
from toril.runtime.calls.queues import read_counts
from toril.runtime.fsck import check_queue
from toril.runtime.states import JobState
from toril.runtime.steps import walk


def most_in_a_window(starts, per_ms):
    starts = sorted(starts)
    ends = (bisect.bisect_left(starts, start + per_ms) for start in starts)
    return max((end - number for number, end in enumerate(ends)), default=0)


class Keyed:
    """Jobs under limits per key: in which order they started, how many of a key ran at once."""

    def __init__(self, rig):
        self.rig, self.clock = rig, rig.use_virtual_clock()
        self.begin()

        async def sync(job):
            key = job.data["key"]
            self.order.append(job.data)
            self.starts[key].append(job._job.processed_on_ms)
            self.running[key] += 1
            self.most[key] = max(self.most[key], self.running[key])
            try:
                for _ in range(job.data.get("turns", 1)):
                    await asyncio.sleep(0)
                if job.data.get("waits"):
                    await self.gate.wait()
                if job.data.get("fails") and job.attempt == 1:
                    raise ConnectionError("away")
            finally:
                self.running[key] -= 1

        rig.job(sync, retry=Retry(attempts=2))

    def begin(self):
        self.order, self.starts = [], defaultdict(list)
        self.running, self.most = Counter(), Counter()
        self.gate = asyncio.Event()

    async def limit(self, *limits):
        self.rig.queue("orders", limits=limits)
        steps = apply_limits(self.rig.keys(), None, None, limits)
        return await walk(steps, self.rig.sender.send)

    async def add(self, *rows):
        now_ms = self.clock.now_ms()
        builder = JobBuilder(self.rig.pipeline)
        jobs = [builder.build("sync", row, now_ms=now_ms) for row in rows]
        await self.rig.sender.send(add_jobs(self.rig.pipeline.redis.prefix, jobs, now_ms=now_ms))
        return [job.id for job in jobs]

    async def finish(self, step_ms=20):
        for _ in range(4_000):
            counts = await self.rig.sender.send(read_counts(self.rig.keys()))
            if not counts.waiting + counts.active + counts.delayed + counts.prioritized:
                return
            self.clock.advance(step_ms / 1000)
            await asyncio.sleep(0.002)
        raise AssertionError(f"{counts} jobs are left, {len(self.order)} started")

    async def faults(self):
        return await check_queue(self.rig.sender, self.rig.keys(), clock=self.clock)


@pytest.fixture
def keyed(rig):
    return Keyed(rig)


def per_key(**fields):
    return KeyLimit(key="${{ data.key }}", **fields)


async def test_no_more_jobs_of_a_key_run_at_once_than_its_limit_says(keyed, rig):
    await keyed.limit(per_key(max_active=2))
    await keyed.add(*[{"key": key, "turns": 3} for key in "ab" * 10])
    rig.start("orders")

    await keyed.finish()

    assert keyed.most == {"a": 2, "b": 2}
    assert len(keyed.order) == 20
    assert await keyed.faults() == []


async def test_what_waits_for_its_key_is_delayed_and_spends_no_attempt(keyed, rig):
    await keyed.limit(per_key(max_active=1))
    first, second = await keyed.add({"key": "a", "waits": True}, {"key": "a"})
    rig.start("orders")
    await rig.reaches(first, "active")

    parked = await rig.reaches(second, "delayed")
    keyed.gate.set()

    done = await rig.reaches(second, "completed")
    assert (parked.attempts_started, done.attempts_made) == (0, 1)


async def test_jobs_of_a_key_start_in_their_order(keyed, rig):
    await keyed.limit(per_key(max_active=1))
    await keyed.add(*[{"key": "a", "n": n} for n in range(30)])
    rig.start("orders")

    await keyed.finish()

    assert [data["n"] for data in keyed.order] == list(range(30))


async def test_a_key_with_one_job_does_not_wait_behind_one_with_many(keyed, rig):
    await keyed.limit(per_key(max_active=1))
    many = [{"key": "a", "waits": True} for _ in range(900)]
    *_, last = await keyed.add(*many, {"key": "b"})
    rig.start("orders")

    await rig.reaches(last, "completed")

    assert len(keyed.starts["a"]) == 1


async def test_keys_take_turns_when_there_are_more_than_slots(keyed, rig):
    await keyed.limit(per_key(max_active=1))
    rig.queue("orders", concurrency=2, limits=rig.pipeline.queues["orders"].limits)
    await keyed.add(*[{"key": key, "turns": 2} for key in "a" * 50 + "b" * 50 + "c" * 50])
    rig.start("orders")

    await keyed.finish()

    for first in range(6, 150, 6):
        begun = Counter(data["key"] for data in keyed.order[:first])
        assert max(begun.values()) - min(begun[key] for key in "abc") <= 4


async def test_jobs_without_a_key_do_not_wait_for_those_that_take_turns(keyed, rig):
    await keyed.limit(per_key(max_active=1))
    rig.queue("orders", concurrency=2, limits=rig.pipeline.queues["orders"].limits)
    await keyed.add(*[{"key": key, "turns": 2} for key in "ab" * 40], *[{"key": None}] * 20)
    rig.start("orders")

    await keyed.finish()

    assert [data["key"] for data in keyed.order[:60]].count(None) >= 18


async def test_the_rate_of_a_key_holds_in_every_window(keyed, rig):
    await keyed.limit(per_key(rate=Rate(3, 1000)))
    await keyed.add(*[{"key": key} for key in "ab" * 8])
    rig.start("orders")

    await keyed.finish(step_ms=50)

    assert {key: most_in_a_window(starts, 1000) for key, starts in keyed.starts.items()} == {
        "a": 3,
        "b": 3,
    }
    assert keyed.starts["a"][-1] - keyed.starts["a"][0] < 4_000


async def test_a_job_may_be_bound_by_several_limits(keyed, rig):
    user = KeyLimit(key="${{ data.user }}", max_active=1)
    await keyed.limit(per_key(max_active=3), user)
    await keyed.add(*[{"key": "a", "user": user, "turns": 3} for user in "xyxyxz"])
    rig.start("orders")

    await keyed.finish()

    assert keyed.most["a"] <= 3
    assert len(keyed.order) == 6


async def test_jobs_under_two_limits_do_not_wait_for_each_other_in_a_circle(keyed, rig):
    user = KeyLimit(key="${{ data.user }}", max_active=1)
    await keyed.limit(per_key(max_active=2), user)
    rows = [{"key": "abc"[n % 3], "user": "wxyz"[n * 7 % 4], "turns": 2} for n in range(200)]
    await keyed.add(*rows)
    began_ms = keyed.clock.now_ms()
    rig.start("orders")

    await keyed.finish()

    assert len(keyed.order) == 200
    assert keyed.clock.now_ms() - began_ms < 20_000


async def test_null_is_not_limited(keyed, rig):
    await keyed.limit(KeyLimit(key="${{ data.user }}", max_active=1))
    ids = await keyed.add(*[{"key": "a", "user": None, "waits": True} for _ in range(3)])
    rig.start("orders")

    for job_id in ids:
        await rig.reaches(job_id, "active")
    keyed.gate.set()


async def test_a_key_that_cannot_be_computed_refuses_the_job(keyed):
    await keyed.limit(per_key(max_active=1))

    with pytest.raises(AddError, match="the key of a limit of queue 'orders' cannot be computed"):
        await keyed.add({"kye": "a"})


async def test_jobs_that_came_without_their_keys_are_bound_by_the_worker(keyed, rig):
    await keyed.limit(per_key(max_active=1))
    jobs = await rig.add_many([{"key": "a", "turns": 3} for _ in range(5)])
    rig.start("orders")

    await keyed.finish()

    assert keyed.most["a"] == 1
    assert json.loads((await rig.stored(jobs[0])).own["t:k"]) == ["a"]


async def test_a_job_that_came_without_keys_and_has_none_runs_at_once(keyed, rig):
    await keyed.limit(KeyLimit(key="${{ has(data.user) ? data.user : null }}", max_active=1))
    job_id = await rig.add({"key": "a"})
    rig.start("orders")

    done = await rig.reaches(job_id, "completed")

    assert (done.attempts_started, done.own["t:k"]) == (1, "[null]")


async def test_slots_of_workers_that_died_come_back(keyed, rig):
    await keyed.limit(per_key(max_active=1))
    await rig.redis.sadd(f"{rig.keys().base}meta:t:k:1:a:held", "gone")
    [job_id] = await keyed.add({"key": "a"})
    rig.start("orders")

    await rig.reaches(job_id, "completed")


async def test_a_job_that_is_removed_while_it_waits_holds_up_nobody(keyed, rig):
    await keyed.limit(per_key(max_active=1))
    first, second, third = await keyed.add({"key": "a", "waits": True}, {"key": "a"}, {"key": "a"})
    rig.start("orders")
    await rig.reaches(third, "delayed")

    await rig.sender.send(remove_job(rig.keys(), second))
    keyed.gate.set()

    await rig.reaches(third, "completed")
    done = await rig.sender.send(list_jobs(rig.keys(), JobState.COMPLETED))
    assert {job.id for job in done} == {first, third}


async def test_a_key_goes_on_when_the_job_that_was_next_is_removed(keyed, rig):
    await keyed.limit(per_key(rate=Rate(1, 60_000)))
    _, second, third = await keyed.add({"key": "a"}, {"key": "a"}, {"key": "a"})
    rig.start("orders")
    await rig.reaches(third, "delayed")
    await rig.sender.send(remove_job(rig.keys(), second))
    keyed.clock.advance(61)

    await walk(wake_parked(rig.keys(), now_ms=keyed.clock.now_ms()), rig.sender.send)

    await rig.reaches(third, "completed")


async def test_a_limit_is_changed_while_jobs_wait_for_it(keyed, rig):
    await keyed.limit(per_key(max_active=1))
    ids = await keyed.add(*[{"key": "a", "waits": True} for _ in range(4)])
    rig.start("orders")
    await rig.reaches(ids[-1], "delayed")

    steps = set_key_max_active(rig.keys(), 1, 3, now_ms=keyed.clock.now_ms())
    assert await walk(steps, rig.sender.send)

    for job_id in ids[:3]:
        await rig.reaches(job_id, "active")
    assert (await rig.sender.send(read_counts(rig.keys()))).delayed == 1
    keyed.gate.set()
    await keyed.finish()
    assert keyed.most == {"a": 3}


async def test_what_was_changed_by_hand_stays_until_the_declaration_changes(keyed, rig):
    await keyed.limit(per_key(max_active=1, rate=Rate(5, 1_000)))
    await walk(set_key_max_active(rig.keys(), 1, None, now_ms=0), rig.sender.send)
    await walk(set_key_rate(rig.keys(), 1, Rate(7, 2_000), now_ms=0), rig.sender.send)

    await keyed.limit(per_key(max_active=1, rate=Rate(5, 1_000)))
    by_hand = (await rig.sender.send(read_limits(rig.keys()))).per_key
    await keyed.limit(per_key(max_active=2))
    declared = (await rig.sender.send(read_limits(rig.keys()))).per_key

    assert by_hand == (KeyBounds(max_active=None, rate=Rate(7, 2_000)),)
    assert declared == (KeyBounds(max_active=2, rate=None),)
    assert not await walk(set_key_rate(rig.keys(), 2, None, now_ms=0), rig.sender.send)


async def test_what_waits_goes_on_when_the_limits_are_taken_away(keyed, rig):
    await keyed.limit(per_key(max_active=1))
    ids = await keyed.add(*[{"key": "a", "waits": True} for _ in range(4)])
    rig.start("orders")
    await rig.reaches(ids[-1], "delayed")

    await keyed.limit()

    for job_id in ids:
        await rig.reaches(job_id, "active", within_s=8)
    keyed.gate.set()
    await keyed.finish()
    assert not await rig.redis.exists(f"{rig.keys().base}meta:t:parked")


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    max_active=st.none() | st.integers(1, 3),
    rate=st.none() | st.builds(Rate, st.integers(1, 5), st.sampled_from([100, 350])),
    workers=st.integers(1, 3),
    concurrency=st.integers(1, 8),
    rows=st.lists(
        st.fixed_dictionaries(
            {
                "key": st.sampled_from("abc"),
                "fails": st.booleans(),
                "turns": st.integers(0, 3),
            }
        ),
        min_size=1,
        max_size=25,
    ),
)
@example(  # the line starts more than the ring within one call
    max_active=None,
    rate=Rate(2, 350),
    workers=2,
    concurrency=8,
    rows=[{"key": key, "fails": True, "turns": 1} for key in "abbcaacbccac"],
)
async def test_random_limits_per_key_are_never_exceeded_and_let_everything_through(
    keyed, rig, max_active, rate, workers, concurrency, rows
):
    keyed.begin()
    for key in "abc":
        await rig.redis.delete(f"{rig.keys().base}meta:t:k:1:{key}:starts")
    rig.queue("orders", concurrency=concurrency)
    await keyed.limit(per_key(max_active=max_active, rate=rate))
    started = [rig.start("orders") for _ in range(workers)]

    await keyed.add(*rows)
    await keyed.finish(step_ms=37)
    for worker in started:
        await worker.stop(1)

    assert len(keyed.order) == len(rows) + sum(row["fails"] for row in rows)
    for key, starts in keyed.starts.items():
        assert max_active is None or keyed.most[key] <= max_active
        assert rate is None or most_in_a_window(starts, rate.per_ms) <= rate.count
    assert await keyed.faults() == []
