"""Tests of what holds the adds of a turn together."""

from __future__ import annotations

import asyncio

import pytest

from toril.errors import AddError
from toril.outgoing import Outgoing
from toril.runtime.calls.add import Added
from toril.runtime.job import NewJob


def job(job_id):
    return NewJob(queue="orders", id=job_id, name="sync", data=b"{}", timestamp_ms=0)


async def test_it_is_drained_when_all_that_was_left_is_refused_at_once():
    gate = asyncio.Event()

    async def answer(jobs):
        await gate.wait()
        return [Added(each.id, True) for each in jobs]

    def store(jobs):
        if jobs[0].id == "bad":
            raise AddError("no")
        return answer(jobs)

    outgoing = Outgoing(store)
    stored = asyncio.ensure_future(outgoing.put(job("good")))
    await asyncio.sleep(0)
    gate.set()
    draining = asyncio.create_task(outgoing.drain())
    refused = outgoing.put(job("bad"))

    await asyncio.wait_for(draining, 1)
    with pytest.raises(AddError):
        await refused
    assert (await stored).id == "good"


async def test_it_is_drained_when_a_call_is_cancelled_before_its_first_step():
    gate = asyncio.Event()

    async def answer(jobs):
        await gate.wait()

    outgoing = Outgoing(answer)
    first = asyncio.ensure_future(outgoing.put(job("first")))
    await asyncio.sleep(0)
    second = outgoing.put(job("second"))
    await asyncio.sleep(0)  # its call leaves in this turn, and takes a step in the next
    # As `asyncio.run` does it at the end.
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()

    await asyncio.wait_for(outgoing.drain(), 1)
    assert second.cancelled()
    assert first.cancelled()
