"""Tests of lua/release_run.lua, and of how add.lua holds what is to be released."""

from __future__ import annotations

from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.runs import read_hold, release_run
from toril.runtime.job import NewJob, ParentLink
from toril.runtime.own_fields import HELD

NOW = 1_790_000_000_000


def job(job_id, **more):
    fields = {"name": "sync", "data": b"{}", "timestamp_ms": NOW, "is_held": True, **more}
    return NewJob(queue="orders", id=job_id, **fields)


LAST = job("r.last", waits_for_children=True, own={HELD: "1"})
STEPS = [job(f"r.{name}", parent=ParentLink(id="r.last", queue="orders")) for name in "abc"]
STEPS[1] = job("r.b", parent=STEPS[1].parent, priority=2)
RUN = [LAST, *STEPS]


def add(*jobs):
    return lambda keys: add_jobs(keys.prefix, jobs, now_ms=NOW)


def release(starter):
    return lambda keys: release_run(keys.prefix, RUN, starter=starter)


async def test_what_is_held_waits_until_it_is_released_all_at_once(check):
    await check(
        before=[add(LAST), add(*STEPS)],
        call=release("me"),
        reply=True,
        after={
            "wait": ["r.c", "r.a"],
            "prioritized": {"r.b": 2 * 2**32 + 1},
            "waiting-children": {"r.last": NOW},
            "marker": {"0": 0},
            "r.last": {"t:h": "me"},
        },
        events=[f"waiting jobId=r.{name} prev=waiting-children" for name in "abc"],
    )


async def test_held_jobs_wait_even_where_nothing_is_there_to_wait_for(check):
    await check(
        call=add(LAST, job("r.alone")),
        after={"wait": [], "waiting-children": {"r.last": NOW, "r.alone": NOW}, "marker": None},
    )


async def test_a_release_that_comes_again_changes_nothing_and_is_known_again(check):
    before = [add(LAST), add(*STEPS), release("me"), ("RPOP", "wait")]

    await check(before=before, call=release("me"), reply=True, events=[])
    await check(call=("LRANGE", "wait", 0, -1), reply=[b"r.c"])


async def test_a_run_that_another_one_has_started_is_not_started_again(check):
    await check(
        before=[add(LAST), add(*STEPS), release("me")],
        call=release("you"),
        reply=False,
        events=[],
    )


async def test_a_run_that_is_gone_is_not_started(check):
    await check(call=release("me"), reply=False, events=[])


async def test_whether_a_run_waits_to_be_started_can_be_read(check):
    def read(keys):
        return read_hold(keys, "r.last")

    await check(call=read, reply=False)
    await check(before=[add(*RUN)], call=read, reply=True)
    await check(before=[release("me")], call=read, reply=False)
