"""Tests of runtime/calls/settle.py: how outcomes are packed and replies read."""

from __future__ import annotations

import msgpack
import pytest

from toril.declarations.job_type import KeepRule
from toril.declarations.units import Rate
from toril.runtime.calls.claim import Owner
from toril.runtime.calls.settle import settle_and_claim
from toril.runtime.keys import QueueKeys
from toril.runtime.outcomes import (
    Completed,
    Failed,
    GivenBack,
    MovedToWaitingChildren,
    Postponed,
    Retried,
)

KEYS = QueueKeys("bull", "orders")
OWNER = Owner("tok", 30_000, "w1")
NOW = 1_790_000_000_000


def call(**more):
    return settle_and_claim(KEYS, owner=OWNER, now_ms=NOW, **more)


@pytest.mark.parametrize(
    ("outcome", "packed"),
    [
        (
            Completed("a", b"1", KeepRule(count=5, age_ms=60), fence=2),
            [1, b"a", 2, b"1", 5, 60],
        ),
        (Completed("a", b"1", KeepRule()), [1, b"a", 0, b"1", -1, -1]),
        (
            Failed("a", "boom", b"[]", KeepRule(count=0), 3),
            [2, b"a", 0, b"boom", b"[]", 0, -1, 3],
        ),
        (Retried("a", 100, "boom", b"[]"), [3, b"a", 0, 100, b"boom", b"[]"]),
        (Postponed("a", NOW), [4, b"a", 0, NOW]),
        (GivenBack("a", 5), [5, b"a", 0, 5]),
        (MovedToWaitingChildren("a", has_added=True), [6, b"a", 0, True]),
    ],
)
def test_an_outcome_is_packed_with_what_its_kind_takes(outcome, packed: list) -> None:
    assert msgpack.unpackb(call(outcomes=[outcome]).args[3], raw=True) == [packed]


def test_arguments_stand_in_the_scripts_order() -> None:
    built = call(claim=7)

    assert built.keys == ("bull:orders:",)
    assert built.args == (NOW, OWNER.packed, 7, b"\x90")


@pytest.mark.parametrize(
    ("owner", "packed"),
    [
        (OWNER, {"token": "tok", "lock_ms": 30_000, "worker": "w1", "minutes": 0}),
        (
            Owner("tok", 5, rate=Rate(count=2, per_ms=1_000), metrics_minutes=60),
            {
                "token": "tok",
                "lock_ms": 5,
                "worker": "",
                "minutes": 60,
                "max": 2,
                "duration": 1_000,
            },
        ),
    ],
)
def test_an_owner_is_packed_with_its_rate_if_it_has_one(owner: Owner, packed: dict) -> None:
    assert msgpack.unpackb(owner.packed) == packed


def test_a_reply_is_read_into_jobs() -> None:
    fields = [b"name", b"sync", b"ats", b"1"]
    reply = msgpack.packb(
        [[0, -6], [[b"a", fields, 2, [b"k", b"1"]]], 0, -1, [[2, b"bull:orders:c", b"boom"]]]
    )

    read = call().parse(reply)

    (job,) = read.jobs
    assert (read.codes, read.rate_limit_ms, read.next_due_ms) == ([0, -6], 0, None)
    assert (job.attempts_started, job.processed_on_ms, job.processed_by) == (2, NOW, "w1")
    assert job.children_results == {"k": 1}
    assert read.failed_children == {1: "child bull:orders:c failed: boom"}


def test_an_empty_reply_is_read() -> None:
    read = call().parse(msgpack.packb([{}, {}, 500, NOW, {}]))

    assert (read.codes, read.jobs, read.rate_limit_ms, read.next_due_ms) == ([], [], 500, NOW)


@pytest.mark.parametrize("more", [{"claim": 1_001}, {"outcomes": [GivenBack("a")] * 1_001}])
def test_a_batch_that_would_hold_the_server_is_refused(more) -> None:
    with pytest.raises(ValueError, match="at most 1000"):
        call(**more)
