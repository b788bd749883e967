"""Tests of lua/settle_and_claim.lua: what an end means to a parent and to a deduplicated job."""

from __future__ import annotations

import pytest

from toril.declarations.job_type import KeepRule
from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.claim import Owner
from toril.runtime.calls.settle import settle_and_claim
from toril.runtime.job import NewJob, ParentLink
from toril.runtime.outcomes import Completed, Failed

NOW = 1_790_000_000_000
LATER = NOW + 50
OWNER = Owner("tok", 30_000)
CHILD = "P:orders:c"
FOREVER = KeepRule()


def job(job_id: str, **more) -> NewJob:
    fields = {"queue": "orders", "name": "sync", "data": b"{}", "timestamp_ms": NOW, **more}
    return NewJob(id=job_id, **fields)


def child(job_id: str, *, parent_queue: str = "orders") -> NewJob:
    return job(job_id, parent=ParentLink(id="p", queue=parent_queue))


def add(*jobs: NewJob):
    return lambda keys: add_jobs(keys.prefix, jobs, now_ms=NOW)


def claim(count: int):
    return lambda keys: settle_and_claim(keys, owner=OWNER, claim=count, now_ms=NOW)


def settle(*outcomes, claim: int = 0):
    return lambda keys: settle_and_claim(
        keys, owner=OWNER, outcomes=outcomes, claim=claim, now_ms=LATER
    )


def complete(job_id: str, keep: KeepRule = FOREVER) -> Completed:
    return Completed(job_id, b'{"n":1}', keep)


def fail(job_id: str, keep: KeepRule = FOREVER) -> Failed:
    return Failed(job_id, "boom", b"[]", keep, 1)


def flag(name: str | None):
    """Gives the child `c` one of Node's flags instead of ours."""
    parent = '{"id":"p","queueKey":"P:orders"' + (f',"{name}":true}}' if name else "}")
    return ("HSET", "c", "parent", parent)


PARENT = job("p", waits_for_children=True)
ONE_CHILD = [add(PARENT, child("c")), claim(1)]
TWO_CHILDREN = [add(PARENT, child("c"), child("d")), claim(1)]
D_WAITS = {"wait": ["d"]}

COMPLETED = {
    "the last child releases its parent with its result": {
        "before": ONE_CHILD,
        "call": settle(complete("c")),
        "after": {
            "completed": {"c": LATER},
            "wait": ["p"],
            "p:processed": {CHILD: '{"n":1}'},
            "p:dependencies": None,
            "marker": {"0": 0},
        },
        "events": [
            "waiting jobId=p prev=waiting-children",
            'completed jobId=c returnvalue={"n":1} prev=active',
        ],
    },
    "a parent goes on waiting for its other children": {
        "before": TWO_CHILDREN,
        "call": settle(complete("c")),
        "after": {
            **D_WAITS,
            "completed": {"c": LATER},
            "waiting-children": {"p": NOW},
            "p:dependencies": {"P:orders:d"},
            "p:processed": {CHILD: '{"n":1}'},
        },
    },
    "a child that is not kept hands over its result all the same": {
        "before": ONE_CHILD,
        "call": settle(complete("c", KeepRule(count=0))),
        "after": {"wait": ["p"], "c": None, "p:processed": {CHILD: '{"n":1}'}},
    },
    "a parent with a priority is released to its place": {
        "before": [add(job("p", waits_for_children=True, priority=3), child("c")), claim(1)],
        "call": settle(complete("c")),
        "after": {"completed": {"c": LATER}, "prioritized": {"p": 3 * 2**32 + 1}},
    },
    "a parent with a delay is released to delayed": {
        "before": [add(job("p", waits_for_children=True, delay_ms=1_000), child("c")), claim(1)],
        "call": settle(complete("c")),
        "after": {
            "completed": {"c": LATER},
            "delayed": {"p": (LATER + 1_000) * 4096},
            "marker": {"1": LATER + 1_000},
        },
        "events": [
            f"delayed jobId=p delay={LATER + 1_000}",
            'completed jobId=c returnvalue={"n":1} prev=active',
            "drained",
        ],
    },
    "a parent in another queue is released there": {
        "before": [
            add(
                job("p", queue="reports", waits_for_children=True),
                child("c", parent_queue="reports"),
            ),
            claim(1),
        ],
        "call": settle(complete("c")),
        "after": {
            "completed": {"c": LATER},
            "P:reports:wait": ["p"],
            "P:reports:waiting-children": None,
            "P:reports:marker": {"0": 0},
            "P:reports:p:processed": {CHILD: '{"n":1}'},
        },
        "events": ['completed jobId=c returnvalue={"n":1} prev=active', "drained"],
    },
    "a parent in a paused queue is released without waking anybody": {
        "before": [
            add(
                job("p", queue="reports", waits_for_children=True),
                child("c", parent_queue="reports"),
            ),
            claim(1),
            ("HSET", "P:reports:meta", "paused", "1"),
        ],
        "call": settle(complete("c")),
        "after": {"completed": {"c": LATER}, "P:reports:wait": ["p"], "P:reports:marker": None},
    },
    "a parent that is gone is left gone": {
        "before": [*ONE_CHILD, ("DEL", "p", "x"), ("DEL", "waiting-children")],
        "call": settle(complete("c")),
        "after": {"completed": {"c": LATER}, "p": None},
    },
}

FAILED = {
    "fpof: the parent runs next, to fail": {
        "before": TWO_CHILDREN,
        "call": settle(fail("c")),
        "after": {
            "failed": {"c": LATER},
            "wait": ["d", "p"],
            "p": {"defa": f"child {CHILD} failed"},
            "p:unsuccessful": {CHILD: LATER},
            "p:dependencies": {"P:orders:d"},
        },
        "events": [
            "waiting jobId=p prev=waiting-children",
            "failed jobId=c failedReason=boom prev=active",
            "retries-exhausted jobId=c attemptsMade=1",
        ],
    },
    "fpof: a delayed parent is taken out of delayed": {
        "before": [
            *TWO_CHILDREN,
            ("ZREM", "waiting-children", "p"),
            ("ZADD", "delayed", (NOW + 9_000) * 4096, "p"),
            ("HSET", "p", "delay", "9000"),
        ],
        "call": settle(fail("c")),
        "after": {
            "failed": {"c": LATER},
            "wait": ["d", "p"],
            "p": {"delay": "0", "defa": f"child {CHILD} failed"},
        },
    },
    "fpof: a parent elsewhere is told, not moved": {
        "before": [
            *TWO_CHILDREN,
            ("ZREM", "waiting-children", "p"),
            ("RPUSH", "active", "p"),
        ],
        "call": settle(fail("c")),
        "after": {
            **D_WAITS,
            "failed": {"c": LATER},
            "active": ["p"],
            "p": {"defa": f"child {CHILD} failed"},
        },
    },
    "fpof: a parent that failed already is not told": {
        "before": [
            *TWO_CHILDREN,
            ("ZREM", "waiting-children", "p"),
            ("ZADD", "failed", NOW, "p"),
        ],
        "call": settle(fail("c")),
        "after": {**D_WAITS, "failed": {"p": NOW, "c": LATER}, "p": {"defa": None}},
    },
    "cpof: the parent goes on at once": {
        "before": [*TWO_CHILDREN, flag("cpof")],
        "call": settle(fail("c")),
        "after": {
            "failed": {"c": LATER},
            "wait": ["d", "p"],
            "p": {"defa": None},
            "p:failed": {CHILD: "boom"},
            "p:dependencies": {"P:orders:d"},
        },
    },
    "idof: the parent keeps the reason and waits for the others": {
        "before": [*TWO_CHILDREN, flag("idof")],
        "call": settle(fail("c")),
        "after": {
            **D_WAITS,
            "failed": {"c": LATER},
            "waiting-children": {"p": NOW},
            "p:failed": {CHILD: "boom"},
        },
    },
    "idof: the last child releases the parent": {
        "before": [*ONE_CHILD, flag("idof")],
        "call": settle(fail("c")),
        "after": {"failed": {"c": LATER}, "wait": ["p"], "p:failed": {CHILD: "boom"}},
    },
    "rdof: the last child releases the parent, no reason kept": {
        "before": [*ONE_CHILD, flag("rdof")],
        "call": settle(fail("c")),
        "after": {"failed": {"c": LATER}, "wait": ["p"], "p:failed": None},
    },
    "no flag: the parent waits for the child to be retried": {
        "before": [*ONE_CHILD, flag(None)],
        "call": settle(fail("c")),
        "after": {
            "failed": {"c": LATER},
            "waiting-children": {"p": NOW},
            "p:dependencies": {CHILD},
        },
    },
    "no flag and not kept: the parent is released with its last child": {
        "before": [*ONE_CHILD, flag(None)],
        "call": settle(fail("c", KeepRule(count=0))),
        "after": {"wait": ["p"], "c": None, "p:dependencies": None},
        "events": [
            "waiting jobId=p prev=waiting-children",
            "failed jobId=c failedReason=boom prev=active",
            "retries-exhausted jobId=c attemptsMade=1",
        ],
    },
    "a link that is no JSON harms nobody": {
        "before": [*ONE_CHILD, ("HSET", "c", "parent", "{broken")],
        "call": settle(fail("c")),
        "after": {"failed": {"c": LATER}, "waiting-children": {"p": NOW}},
    },
    "a failed child that is trimmed releases the parent that waits for it": {
        "before": [
            add(PARENT, child("c"), job("x")),
            claim(2),
            flag(None),
            settle(fail("c")),
        ],
        "call": settle(fail("x", KeepRule(count=1))),
        "after": {"failed": {"x": LATER}, "wait": ["p"], "c": None},
    },
}


@pytest.mark.parametrize("case", COMPLETED.values(), ids=COMPLETED)
async def test_completed_child(case, check):
    await check(**case)


@pytest.mark.parametrize("case", FAILED.values(), ids=FAILED)
async def test_failed_child(case, check):
    await check(**case)


async def test_a_parent_released_by_a_batch_is_claimed_in_the_same_call(check):
    reply = await check(
        before=[add(PARENT, child("c"), child("d")), claim(2)],
        call=settle(complete("c"), complete("d"), claim=5),
    )

    (parent,) = reply.jobs
    results = {key.rsplit(":", 1)[1]: value for key, value in parent.children_results.items()}
    assert (parent.id, results) == ("p", {"c": {"n": 1}, "d": {"n": 1}})


DEDUP = [add(job("a")), ("HSET", "a", "deid", "x"), claim(1)]
NEXT = ("HSET", "dn:x", "name", "again", "data", '{"n":2}', "opts", '{"attempts":2}', "jid", "b")

DEDUPLICATED = {
    "the id is free when its job finishes": {
        "before": [*DEDUP, ("SET", "de:x", "a")],
        "call": settle(complete("a")),
        "after": {"completed": {"a": LATER}, "de:x": None},
    },
    "an id with time left stays": {
        "before": [*DEDUP, ("SET", "de:x", "a", "PX", 60_000)],
        "call": settle(complete("a")),
        "after": {"completed": {"a": LATER}, "de:x": "a"},
    },
    "an id that another job holds stays": {
        "before": [*DEDUP, ("SET", "de:x", "other")],
        "call": settle(fail("a")),
        "after": {"failed": {"a": LATER}, "de:x": "other"},
    },
    "the job that waited for the id takes its turn": {
        "before": [*DEDUP, ("SET", "de:x", "a"), NEXT],
        "call": settle(complete("a")),
        "after": {
            "completed": {"a": LATER},
            "wait": ["b"],
            "b": {"name": "again", "data": '{"n":2}', "opts": '{"attempts":2}', "deid": "x"},
            "de:x": "b",
            "dn:x": None,
            "id": "2",
        },
        "events": [
            "added jobId=b name=again",
            "waiting jobId=b",
            'completed jobId=a returnvalue={"n":1} prev=active',
        ],
    },
    "it keeps its delay, its priority and its parent": {
        "before": [
            add(PARENT, child("a"), child("z")),
            claim(1),
            ("HSET", "a", "deid", "x"),
            NEXT,
            ("HSET", "dn:x", "opts", '{"delay":500,"priority":2}'),
            ("HSET", "dn:x", "pk", "P:orders:p", "pd", "{}", "pdk", "P:orders:p:dependencies"),
        ],
        "call": settle(complete("a")),
        "after": {
            "completed": {"a": LATER},
            "waiting-children": {"p": NOW},
            "wait": ["z"],
            "delayed": {"b": (LATER + 500) * 4096},
            "b": {"delay": "500", "priority": "2", "parentKey": "P:orders:p", "parent": "{}"},
            "p:dependencies": {"P:orders:z", "P:orders:b"},
        },
    },
    "without an id of its own it takes the next number": {
        "before": [*DEDUP, NEXT, ("HDEL", "dn:x", "jid")],
        "call": settle(complete("a")),
        "after": {"completed": {"a": LATER}, "wait": ["2"], "de:x": "2"},
    },
}


@pytest.mark.parametrize("case", DEDUPLICATED.values(), ids=DEDUPLICATED)
async def test_deduplicated(case, check):
    await check(**case)
