"""Tests of lua/claim_next.lua: a job of each queue that has one, claimed at the server's time."""

from __future__ import annotations

import time

import pytest
from tests.scripts.settling import NOW, OWNER, add, job

from toril.declarations.units import Rate
from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.claim import Owner
from toril.runtime.calls.limits import set_max_active
from toril.runtime.calls.queues import pause
from toril.runtime.calls.settle import claim_next, settle_and_claim

#: Later than any server's clock that runs this.
FAR_MS = 300_000_000_000


def claim(owner: Owner = OWNER):
    return lambda keys: claim_next([(keys, owner)])


CLAIMS = {
    "one job is claimed, and the others keep their marker": {
        "before": [add("a", "b")],
        "call": claim(),
        "after": {
            "wait": ["b"],
            "active": ["a"],
            "a:lock": "tok",
            "a": {"ats": "1", "t:o": "tok#1", "pb": "w1"},
            "marker": {"0": 0},
        },
        "events": ["active jobId=a prev=waiting"],
    },
    "a queue without a job is left as it is": {
        "before": [],
        "call": claim(),
        "after": {},
        "events": [],
    },
    "a paused queue gives none": {
        "before": [add("a"), pause],
        "call": claim(),
        "after": {"wait": ["a"]},
        "events": [],
    },
    "what is due is promoted first": {
        "before": [add(job("d", delay_ms=1))],
        "call": claim(),
        "after": {"active": ["d"], "d:lock": "tok", "d": {"delay": "0"}},
        "events": ["waiting jobId=d prev=delayed", "active jobId=d prev=waiting"],
    },
}


@pytest.mark.parametrize("case", CLAIMS.values(), ids=CLAIMS)
async def test_claim(case, check):
    await check(**case)


@pytest.fixture
def started(sender, keys):
    """Claims of one queue, by an owner."""

    async def claim(owner: Owner = OWNER):
        [reply] = await sender.send(claim_next([(keys, owner)]))
        return reply

    return claim


async def test_each_of_several_queues_gives_a_job_of_its_own(sender, keys):
    other, empty = keys.of("mails"), keys.of("empty")
    await sender.send(add("a")(keys))
    await sender.send(add_jobs(keys.prefix, [job("m", queue="mails")], now_ms=NOW))

    claimed = await sender.send(claim_next([(empty, OWNER), (keys, OWNER), (other, OWNER)]))

    assert claimed[0] is None
    assert [[one.id for one in reply.jobs] for reply in claimed[1:]] == [["a"], ["m"]]
    assert [one.queue for reply in claimed[1:] for one in reply.jobs] == ["orders", "mails"]


async def test_the_servers_time_counts(sender, keys, started):
    await sender.send(add("a")(keys))

    reply = await started()

    [claimed] = reply.jobs
    assert abs(claimed.processed_on_ms - time.time() * 1000) < 60_000


async def test_a_workers_own_rate_holds_the_next_one(sender, keys, started):
    owner = Owner("tok", 30_000, "w1", rate=Rate(1, 60_000))
    await sender.send(add("a", "b")(keys))
    assert [one.id for one in (await started(owner)).jobs] == ["a"]

    reply = await started(owner)

    assert not reply.jobs
    assert 0 < reply.rate_limit_ms <= 60_000


async def test_a_full_queue_tells_when_its_next_delayed_job_is_due(sender, keys, started):
    await sender.send(add(job("later", delay_ms=FAR_MS), "a", "b")(keys))
    await sender.send(set_max_active(keys, 1))
    await sender.send(settle_and_claim(keys, owner=OWNER, claim=1, now_ms=NOW))

    reply = await started()

    assert not reply.jobs
    assert reply.next_due_ms == NOW + FAR_MS
