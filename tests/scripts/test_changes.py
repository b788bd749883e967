"""Tests of lua/change_delay, change_priority, and of clearing logs."""

from __future__ import annotations

import pytest

from toril.errors import JobNotFound, WrongState
from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.changes import change_delay, change_priority, clear_logs
from toril.runtime.calls.jobs import add_log
from toril.runtime.job import NewJob

NOW = 1_790_000_000_000


def job(job_id: str, **more) -> NewJob:
    given = {"queue": "orders", "name": "sync", "data": b"{}", "timestamp_ms": NOW, **more}
    return NewJob(id=job_id, **given)


def add(*jobs: NewJob | str):
    made = [job(one) if isinstance(one, str) else one for one in jobs]
    return lambda keys: add_jobs(keys.prefix, made, now_ms=NOW)


def delay(job_id: str, delay_ms: int):
    return lambda keys: change_delay(keys, job_id, delay_ms, now_ms=NOW + 50)


def prioritize(job_id: str, priority: int, **more):
    return lambda keys: change_priority(keys, job_id, priority, **more)


def score(priority: int, order: int) -> int:
    return priority * 2**32 + order


LOGS = [add("a"), *(lambda keys, n=n: add_log(keys, "a", f"line {n}") for n in range(4))]

TABLE = {
    "a delay counts from now": {
        "before": [add(job("a", delay_ms=9_000), job("b", delay_ms=500))],
        "call": delay("a", 100),
        "after": {
            "delayed": {"a": (NOW + 150) * 4096, "b": (NOW + 500) * 4096},
            "a": {"delay": "100"},
            "marker": {"1": NOW + 150},
        },
        "events": [f"delayed jobId=a delay={NOW + 150}"],
    },
    "a job that is due later leaves the marker to the others": {
        "before": [add(job("a", delay_ms=100), job("b", delay_ms=500))],
        "call": delay("a", 9_000),
        "after": {
            "delayed": {"a": (NOW + 9_050) * 4096, "b": (NOW + 500) * 4096},
            "marker": {"1": NOW + 500},
        },
    },
    "a changed job stands behind those of its millisecond": {
        "before": [add(job("a", delay_ms=100), job("b", delay_ms=150))],
        "call": delay("a", 100),
        "after": {"delayed": {"a": (NOW + 150) * 4096 + 1, "b": (NOW + 150) * 4096}},
    },
    "a waiting job becomes prioritized": {
        "before": [add("a", "b")],
        "call": prioritize("a", 3),
        "after": {
            "wait": ["b"],
            "prioritized": {"a": score(3, 1)},
            "a": {"priority": "3"},
            "marker": {"0": 0},
        },
        "events": [],
    },
    "a prioritized job goes behind those of its new priority": {
        "before": [add(job("a", priority=5), job("b", priority=3))],
        "call": prioritize("a", 3),
        "after": {"prioritized": {"a": score(3, 3), "b": score(3, 2)}},
    },
    "a prioritized job goes ahead of those of its new priority": {
        "before": [add(job("a", priority=5), job("b", priority=3))],
        "call": prioritize("a", 3, lifo=True),
        "after": {"prioritized": {"a": score(3, 0), "b": score(3, 2)}},
    },
    "a job without a priority any more waits behind the others": {
        "before": [add("w", job("a", priority=5))],
        "call": prioritize("a", 0),
        "after": {"wait": ["a", "w"], "a": {"priority": "0"}},
    },
    "a job without a priority any more is next": {
        "before": [add("w", job("a", priority=5))],
        "call": prioritize("a", 0, lifo=True),
        "after": {"wait": ["w", "a"]},
    },
    "a delayed job keeps its place, and has the priority when it is due": {
        "before": [add(job("a", delay_ms=100))],
        "call": prioritize("a", 4),
        "after": {"delayed": {"a": (NOW + 100) * 4096}, "a": {"priority": "4"}},
    },
    "a job that BullMQ v5 put aside comes out": {
        "before": [
            add("a"),
            ("RENAME", "wait", "P:orders:paused"),
            ("HSET", "meta", "paused", "1"),
            ("DEL", "marker"),
        ],
        "call": prioritize("a", 1),
        "after": {"prioritized": {"a": score(1, 1)}, "marker": None},
    },
    "all log lines are cleared": {
        "before": LOGS,
        "call": lambda keys: clear_logs(keys, "a"),
        "after": {"wait": ["a"], "a:logs": None},
    },
    "the newest log lines are kept": {
        "before": LOGS,
        "call": lambda keys: clear_logs(keys, "a", keep=2),
        "after": {"wait": ["a"], "a:logs": ["line 2", "line 3"]},
    },
}


@pytest.mark.parametrize("case", TABLE.values(), ids=TABLE)
async def test_changes(case, check):
    await check(**case)


@pytest.mark.parametrize("call", [delay("x", 1), prioritize("x", 1)], ids=["delay", "priority"])
async def test_a_job_that_is_not_there_is_not_found(check, call):
    with pytest.raises(JobNotFound, match=r"^no job 'x' in queue 'orders'$"):
        await check(call=call)


async def test_only_a_delayed_job_has_a_delay(check):
    sentence = "^job 'a' of queue 'orders' is waiting; only a delayed job's delay can be changed$"

    with pytest.raises(WrongState, match=sentence):
        await check(before=[add("a")], call=delay("a", 1))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda k: change_delay(k, "a", -1, now_ms=NOW), "expected a delay of at most ten years"),
        (lambda k: change_priority(k, "a", -1), "expected a priority from 0 to 2097151, got -1"),
        (lambda k: change_priority(k, "a", 2**21), "expected a priority from 0 to 2097151"),
        (lambda k: clear_logs(k, "a", keep=-1), "expected to keep 0 lines or more, got -1"),
    ],
    ids=["delay", "below", "above", "keep"],
)
def test_values_that_the_layout_cannot_hold_are_refused(keys, make, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}"):
        make(keys)
