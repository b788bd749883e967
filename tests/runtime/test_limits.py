"""`rate_limit` and `max_active`: exact in every window and at every moment, over all workers."""

from __future__ import annotations

import asyncio
import bisect

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toril.declarations.job_type import Retry
from toril.declarations.units import Rate
from toril.runtime.calls.limits import apply_limits, read_limits, release, set_max_active, set_rate
from toril.runtime.calls.queues import read_counts
from toril.runtime.steps import walk


def most_in_a_window(starts, per_ms):
    """The most starts in any half-open window of that length."""
    starts = sorted(starts)
    ends = (bisect.bisect_left(starts, start + per_ms) for start in starts)
    return max((end - number for number, end in enumerate(ends)), default=0)


def started_ms(job):
    """When Redis started the job; its code begins a moment later."""
    return job._job.processed_on_ms


class Limited:
    """Jobs under limits: when each started, and how many ran at once."""

    def __init__(self, rig):
        self.rig, self.starts, self.running, self.most_running = rig, [], 0, 0
        self.clock = rig.use_virtual_clock()

        async def sync(job):
            self.starts.append(started_ms(job))
            self.running += 1
            self.most_running = max(self.most_running, self.running)
            try:
                await asyncio.sleep(0)
                if job.data.get("fails") and job.attempt == 1:
                    raise ConnectionError("away")
            finally:
                self.running -= 1

        rig.job(sync, retry=Retry(attempts=2))

    async def limit(self, *, max_active=None, rate=None):
        steps = apply_limits(self.rig.keys(), max_active, rate)
        return await walk(steps, self.rig.sender.send)

    async def finish(self, step_ms):
        """Moves time on in steps until nothing is left to run."""
        for _ in range(4_000):
            counts = await self.rig.sender.send(read_counts(self.rig.keys()))
            if not counts.waiting + counts.active + counts.delayed:
                return
            self.clock.advance(step_ms / 1000)
            await asyncio.sleep(0.002)
        raise AssertionError(f"{counts} jobs are left, {len(self.starts)} started")


@pytest.fixture
def limited(rig):
    return Limited(rig)


async def test_no_window_of_any_start_holds_more_than_the_rate(limited, rig):
    await limited.limit(rate=Rate(10, 1000))
    rig.start("orders")
    # One start opens BullMQ's window, so its edge comes early for the burst behind it.
    first = await rig.add()
    await rig.reaches(first, "completed")
    limited.clock.advance(0.9)
    await rig.add_many([{} for _ in range(40)])

    await limited.finish(50)

    assert len(limited.starts) == 41
    assert most_in_a_window(limited.starts, 1000) == 10


async def test_what_waits_for_its_turn_starts_when_it_comes(rig):
    """On the real clock: BullMQ's counter, which binds too, runs out by the server's."""
    starts = []

    async def sync(job):
        starts.append(started_ms(job))

    rig.job(sync)
    await walk(apply_limits(rig.keys(), None, Rate(2, 100)), rig.sender.send)
    jobs = await rig.add_many([{} for _ in range(6)])
    rig.start("orders")

    for job in jobs:
        await rig.reaches(job, "completed")

    assert most_in_a_window(starts, 100) == 2
    assert 200 <= starts[-1] - starts[0] < 1000


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    count=st.integers(1, 12),
    per_ms=st.sampled_from([100, 350, 1000]),
    max_active=st.none() | st.integers(1, 6),
    workers=st.integers(1, 3),
    concurrency=st.integers(1, 20),
    jobs=st.lists(st.booleans(), min_size=1, max_size=25),
    step_ms=st.integers(7, 190),
)
async def test_random_limits_are_never_exceeded_and_let_everything_through(
    limited, rig, count, per_ms, max_active, workers, concurrency, jobs, step_ms
):
    limited.starts.clear()
    limited.most_running = 0
    await rig.sender.send(release(rig.keys()))
    rig.queue("orders", concurrency=concurrency)
    await limited.limit(max_active=max_active, rate=Rate(count, per_ms))
    started = [rig.start("orders") for _ in range(workers)]

    await rig.add_many([{"fails": fails} for fails in jobs])
    await limited.finish(step_ms)
    for worker in started:
        await worker.stop(1)

    assert len(limited.starts) == len(jobs) + sum(jobs)
    assert most_in_a_window(limited.starts, per_ms) <= count
    assert max_active is None or limited.most_running <= max_active


async def test_a_new_declaration_is_applied_and_an_old_one_leaves_what_was_set_by_hand(
    limited, rig
):
    first = await limited.limit(max_active=5, rate=Rate(10, 1000))
    await rig.sender.send(set_max_active(rig.keys(), 2))
    again = await limited.limit(max_active=5, rate=Rate(10, 1000))
    by_hand = await rig.sender.send(read_limits(rig.keys()))
    third = await limited.limit(max_active=7, rate=Rate(10, 1000))
    new = await rig.sender.send(read_limits(rig.keys()))

    assert (first, again, third) == (True, False, True)
    assert (by_hand.max_active, new.max_active) == (2, 7)


async def test_a_declaration_that_is_gone_takes_only_its_own_along(limited, rig):
    await limited.limit(max_active=5, rate=Rate(10, 1000))
    await rig.sender.send(set_rate(rig.keys(), Rate(3, 1000)))

    await limited.limit()

    left = await rig.sender.send(read_limits(rig.keys()))
    assert left.max_active is None
    assert left.rate == Rate(3, 1000)
    assert await rig.redis.hget(rig.keys().meta, "t:l") is None


async def test_a_queue_without_declared_limits_keeps_those_that_others_set(limited, rig):
    await rig.sender.send(set_max_active(rig.keys(), 2))

    assert await limited.limit() is False
    assert (await rig.sender.send(read_limits(rig.keys()))).max_active == 2


async def test_a_clock_that_steps_back_lets_no_more_through(limited, rig):
    await limited.limit(rate=Rate(2, 1000))
    await rig.redis.lpush(f"{rig.keys().base}meta:t:starts", *[limited.clock.now_ms() + 500] * 2)
    await rig.add()
    rig.start("orders")

    await limited.finish(100)

    assert len(limited.starts) == 1
    assert limited.starts[0] >= 1_790_000_000_000 + 1500
