"""Tests of lua/find_ending: how a job ended that is not kept."""

from __future__ import annotations

import pytest

from toril.runtime.calls.events import find_ending
from toril.runtime.calls.jobs import Ending
from toril.runtime.states import JobState


def event(name: str, job_id: str, *more: str):
    return ("XADD", "events", "*", "event", name, "jobId", job_id, *more)


TABLE = {
    "a completed job's result": {
        "before": [event("completed", "a", "returnvalue", '{"n":1}', "prev", "active")],
        "call": lambda keys: find_ending(keys, "a"),
        "reply": Ending(JobState.COMPLETED, b'{"n":1}'),
    },
    "a failed job's reason": {
        "before": [event("failed", "a", "failedReason", "boom é", "prev", "active")],
        "call": lambda keys: find_ending(keys, "a"),
        "reply": Ending(JobState.FAILED, reason="boom é"),
    },
    "the last of several ends": {
        "before": [
            event("failed", "a", "failedReason", "boom"),
            event("completed", "b", "returnvalue", "2"),
            event("completed", "a", "returnvalue", "1"),
            event("waiting", "a"),
        ],
        "call": lambda keys: find_ending(keys, "a"),
        "reply": Ending(JobState.COMPLETED, b"1"),
    },
    "no end at all": {
        "before": [event("waiting", "a"), event("completed", "b", "returnvalue", "2")],
        "call": lambda keys: find_ending(keys, "a"),
        "reply": None,
    },
    "no events": {"call": lambda keys: find_ending(keys, "a"), "reply": None},
}


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
async def test_find_ending(check, row) -> None:
    await check(**row)


async def test_an_end_far_back_is_found(sender, redis, keys) -> None:
    pipeline = redis.pipeline(transaction=False)
    pipeline.xadd(keys.events, {"event": "completed", "jobId": "a", "returnvalue": "1"})
    for n in range(1_700):
        pipeline.xadd(keys.events, {"event": "waiting", "jobId": f"j{n}"})
    await pipeline.execute()

    assert await sender.send(find_ending(keys, "a")) == Ending(JobState.COMPLETED, b"1")
    assert await sender.send(find_ending(keys, "zzz")) is None
