"""Events as they are read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from toril.runtime.calls.events import Event, read_events
from toril.runtime.keys import QueueKeys

KEYS = QueueKeys("bull", "orders")


def event(name: str, **fields: str) -> Event:
    return Event("1790000000000-3", name, fields)


def test_a_reply_is_read_into_events() -> None:
    call = read_events(KEYS, "0-0", block_ms=0)
    entry = (b"17-0", {b"event": b"added", b"jobId": b"a", b"name": b"sync"})

    [read] = call.parse([(b"bull:orders:events", [entry])])

    assert call.args[:5] == ("XREAD", "COUNT", 1000, "BLOCK", 1)
    assert (read.id, read.name, read.job_id, read.job_type) == ("17-0", "added", "a", "sync")


def test_no_reply_is_no_event() -> None:
    assert read_events(KEYS, "0-0", block_ms=5).parse(None) == []


@pytest.mark.parametrize(
    ("told", "name", "value"),
    [
        (event("completed", returnvalue='{"n":1}'), "result", {"n": 1}),
        (event("completed", returnvalue="{broken"), "result", None),
        (event("completed"), "result", None),
        (event("failed", failedReason="boom"), "reason", "boom"),
        (event("progress", data="40"), "progress", 40),
        (event("active", prev="waiting"), "previous", "waiting"),
        (event("retries-exhausted", attemptsMade="3"), "attempts_made", 3),
        (event("cleaned", count="12"), "count", 12),
        (event("cleaned", count="many"), "count", None),
        (event("cleaned", count="9" * 30), "count", None),
        (event("deduplicated", deduplicationId="d"), "deduplication_id", "d"),
        (event("deduplicated", deduplicatedJobId="b"), "deduplicated_job_id", "b"),
        (event("drained"), "job_id", None),
        (event("waiting"), "due_at", None),
        (
            event("delayed", delay="1790000000500"),
            "due_at",
            datetime(2026, 9, 21, 14, 13, 20, 500_000, tzinfo=UTC),
        ),
        (event("drained"), "at", datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)),
    ],
)
def test_an_event_says_what_it_has(told: Event, name: str, value: object) -> None:
    assert getattr(told, name) == value
