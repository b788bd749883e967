"""What deduplication asks for, checked before anything is sent."""

from __future__ import annotations

import pytest

from toril.errors import AddError
from toril.runtime.calls.deduplication import pack_deduplication
from toril.runtime.job import NewJob, ParentLink


def job(rule: object, **more) -> NewJob:
    given = {"queue": "orders", "name": "sync", "data": b"{}", "timestamp_ms": 1, **more}
    return NewJob(id="a", opts={"deduplication": rule}, **given)


@pytest.mark.parametrize(
    ("rule", "packed"),
    [
        (None, None),
        ({"id": "d"}, {"id": "d", "ttl": 0}),
        ({"id": "d", "ttl": 5, "extend": True}, {"id": "d", "ttl": 5, "extend": True}),
        ({"id": "d", "replace": True}, {"id": "d", "ttl": 0, "replace": True}),
        ({"id": "d", "keepLastIfActive": True}, {"id": "d", "ttl": 0, "keep_last": True}),
        ({"id": "d", "reschedule": True}, {"id": "d", "ttl": 0, "reschedule": True}),
    ],
    ids=str,
)
def test_a_rule_is_packed(rule, packed):
    assert pack_deduplication(job(rule)) == packed


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ({}, "expected a deduplication id, got None"),
        ({"id": ""}, "expected a deduplication id, got ''"),
        ({"id": 7}, "expected a deduplication id, got 7"),
        (
            {"id": "ü" * 257},
            f"expected a deduplication id of at most 512 bytes, got {'ü' * 60!r}",
        ),
        (
            {"id": "d", "ttl": 0},
            "expected a deduplication ttl of 1 ms to ten years, got 0",
        ),
        (
            {"id": "d", "ttl": 1.5},
            "expected a deduplication ttl of 1 ms to ten years, got 1.5",
        ),
        ({"id": "d", "extend": True}, "a deduplication that extends its ttl needs a ttl"),
        (
            {"id": "d", "replace": True, "reschedule": True},
            "expected a deduplication to replace or to reschedule, got both",
        ),
    ],
)
def test_a_rule_that_says_nothing_sensible_is_refused(rule, sentence):
    with pytest.raises(AddError) as raised:
        pack_deduplication(job(rule))

    assert str(raised.value) == f"job 'a': {sentence}"


@pytest.mark.parametrize(
    "place",
    [{"parent": ParentLink(id="p", queue="orders")}, {"waits_for_children": True}],
    ids=["child", "parent"],
)
def test_a_job_of_a_flow_cannot_be_deduplicated(place):
    with pytest.raises(AddError) as raised:
        pack_deduplication(job({"id": "d"}, **place))

    assert str(raised.value) == "job 'a' belongs to a flow, where BullMQ allows no deduplication"
