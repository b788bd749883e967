"""What a call carries of a queue: outcomes of jobs that ended, claims for their slots."""

from __future__ import annotations

import asyncio

import pytest

from toril.declarations.queue import Queue
from toril.runtime.job import ClaimedJob
from toril.runtime.worker.decide import decide_success
from toril.runtime.worker.execution import Execution
from toril.runtime.worker.served_queue import ServedQueue


@pytest.fixture
def rings():
    """How often a round was asked for."""
    return []


@pytest.fixture
def served(rig, alarms, rings):
    return ServedQueue(
        Queue(name="orders", concurrency=100),
        rig.keys(),
        {},
        clock=rig.clock,
        alarms=alarms,
        wake=lambda: rings.append(1),
    )


def claim(served, count):
    for n in range(count):
        job = ClaimedJob("orders", f"{len(served.running)}-{n}", {})
        served.add_running(
            Execution(served=served, job=job, plan=None, started_ms=0, claimed_at=0.0)
        )


def begin(served):
    for execution in served.running.values():
        execution.task = asyncio.current_task()


def end(served, count):
    for execution in tuple(served.running.values())[:count]:
        served.drop_running(execution)
        execution.outcome = decide_success(execution.job, None)
        served.ended.append(execution)


def take(served):
    outcomes = served.take_outcomes()
    return len(outcomes), served.take_slots(with_outcomes=bool(outcomes))


async def test_jobs_that_ended_together_are_settled_in_halves_while_others_run(served, rings):
    claim(served, 100)
    begin(served)
    end(served, 40)

    assert [take(served) for _ in range(7)] == [(n, n) for n in (20, 10, 6, 4)] + [(0, 0)] * 3
    assert len(rings) == 3


async def test_jobs_are_settled_together_when_none_has_begun(served):
    claim(served, 40)
    begin(served)
    end(served, 40)
    claim(served, 25)

    assert take(served) == (40, 50)


async def test_slots_that_were_free_before_are_claimed_with_the_first_half(served):
    claim(served, 60)
    begin(served)
    end(served, 20)

    assert take(served) == (10, 50)
    assert take(served) == (6, 6)
