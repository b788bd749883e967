"""Tests of what lua/settle_and_claim counts of finished jobs: BullMQ's metrics."""

from __future__ import annotations

import pytest

from toril.declarations.job_type import KeepRule
from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.claim import Owner
from toril.runtime.calls.settle import settle_and_claim
from toril.runtime.job import NewJob
from toril.runtime.outcomes import Completed, Failed, Retried

#: A full minute.
NOW = 1_789_999_980_000
MINUTE = 60_000
OWNER = Owner("tok", 30_000, metrics_minutes=3)


def add_and_claim(*ids: str):
    jobs = [
        NewJob(id=one, queue="orders", name="sync", data=b"{}", timestamp_ms=NOW) for one in ids
    ]
    return [
        lambda keys: add_jobs(keys.prefix, jobs, now_ms=NOW),
        lambda keys: settle_and_claim(keys, owner=OWNER, claim=len(ids), now_ms=NOW),
    ]


def finish(*ids: str, at: int = NOW, owner: Owner = OWNER):
    outcomes = [
        Failed(one, "boom", b"[]", KeepRule(), 1)
        if one.startswith("f")
        else Completed(one, b"1", KeepRule())
        for one in ids
    ]
    return lambda keys: settle_and_claim(keys, owner=owner, outcomes=outcomes, now_ms=at)


TABLE = {
    "the first jobs begin a count": {
        "before": add_and_claim("a", "b", "f"),
        "call": finish("a", "b", "f"),
        "after": {
            "completed": {"a": NOW, "b": NOW},
            "failed": {"f": NOW},
            "metrics:completed": {"count": "2", "prevTS": str(NOW), "prevCount": "0"},
            "metrics:failed": {"count": "1", "prevTS": str(NOW), "prevCount": "0"},
            "metrics:completed:data": None,
        },
    },
    "a later minute closes the one before": {
        "before": [*add_and_claim("a", "b", "c"), finish("a", "b")],
        "call": finish("c", at=NOW + MINUTE),
        "after": {
            "completed": {"a": NOW, "b": NOW, "c": NOW + MINUTE},
            "metrics:completed": {"count": "3", "prevTS": str(NOW + MINUTE), "prevCount": "2"},
            "metrics:completed:data": ["2"],
        },
    },
    "the same minute closes none": {
        "before": [*add_and_claim("a", "b"), finish("a")],
        "call": finish("b", at=NOW + MINUTE - 1),
        "after": {
            "completed": {"a": NOW, "b": NOW + MINUTE - 1},
            "metrics:completed": {"count": "2", "prevTS": str(NOW), "prevCount": "0"},
            "metrics:completed:data": None,
        },
    },
    "minutes without a job count nothing": {
        "before": [*add_and_claim("a", "b"), finish("a")],
        "call": finish("b", at=NOW + 3 * MINUTE),
        "after": {
            "completed": {"a": NOW, "b": NOW + 3 * MINUTE},
            "metrics:completed:data": ["0", "0", "1"],
        },
    },
    "the oldest minutes are forgotten": {
        "before": [
            *add_and_claim("a", "b", "c"),
            finish("a"),
            finish("b", at=NOW + 2 * MINUTE),
        ],
        "call": finish("c", at=NOW + 4 * MINUTE),
        "after": {
            "completed": {"a": NOW, "b": NOW + 2 * MINUTE, "c": NOW + 4 * MINUTE},
            "metrics:completed:data": ["0", "1", "0"],
        },
    },
    "a long silence is no longer than what is kept": {
        "before": [*add_and_claim("a", "b"), finish("a")],
        "call": finish("b", at=NOW + 100_000 * MINUTE),
        "after": {
            "completed": {"a": NOW, "b": NOW + 100_000 * MINUTE},
            "metrics:completed:data": ["0", "0", "1"],
        },
    },
    "many minutes are appended in pieces": {
        "before": [*add_and_claim("a", "b"), finish("a")],
        "call": finish(
            "b", at=NOW + 2_500 * MINUTE, owner=Owner("tok", 30_000, metrics_minutes=5_000)
        ),
        "after": {
            "completed": {"a": NOW, "b": NOW + 2_500 * MINUTE},
            "metrics:completed:data": ["0"] * 2_499 + ["1"],
        },
    },
    "nothing is counted unless it is asked for": {
        "before": add_and_claim("a"),
        "call": finish("a", owner=Owner("tok", 30_000)),
        "after": {"completed": {"a": NOW}, "metrics:completed": None},
    },
    "what did not finish does not count": {
        "before": add_and_claim("a"),
        "call": lambda keys: settle_and_claim(
            keys,
            owner=OWNER,
            outcomes=[Retried("a", 0, "boom", b"[]"), Completed("nope", b"1", KeepRule())],
            now_ms=NOW,
        ),
        "after": {"wait": ["a"], "metrics:completed": None, "metrics:failed": None},
    },
    "a key of another type harms no job": {
        "before": [*add_and_claim("a"), ("SET", "metrics:completed", "x")],
        "call": finish("a"),
        "after": {"completed": {"a": NOW}, "metrics:completed": "x"},
    },
}


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
async def test_finished_jobs_are_counted_minute_by_minute(check, row) -> None:
    await check(**row)
