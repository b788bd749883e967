from __future__ import annotations

import json

import msgpack
from hypothesis import given
from hypothesis import strategies as st

from toril.declarations.dead_letter import DeadLetterRule
from toril.declarations.job_type import JobType, KeepRule
from toril.declarations.pipeline import Pipeline
from toril.declarations.queue import Queue
from toril.runtime.calls.dead_letters import read_letter, replay_letters
from toril.runtime.calls.jobs import FoundJob
from toril.runtime.dead_letters import DeadLetters
from toril.runtime.job import ClaimedJob, StoredJob
from toril.runtime.keys import QueueKeys
from toril.runtime.outcomes import Failed
from toril.runtime.states import JobState

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("data"), inner),
    max_leaves=12,
)
SEPARATORS = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t: ")])


def write_letter(data: bytes, opts: bytes, name: str):
    """Has a job fail, and reads its letter as from its queue."""
    rule = DeadLetterRule(queue="dead")
    job_type = JobType(name=name, queue="orders", use="x", dead_letter=rule)
    queues = {queue: Queue(name=queue) for queue in ("orders", "dead")}
    pipeline = Pipeline(root="/", project="p", queues=queues, jobs={name: job_type})
    fields = {b"name": name.encode(), b"data": data, b"opts": opts, b"ats": b"2", b"t:r": b"run"}
    job = ClaimedJob("orders", "id-1", fields)
    outcome = Failed("id-1", "boom", b"[]", KeepRule(), 1)
    letter = DeadLetters(pipeline).attach(job, outcome, now_ms=1).letter
    stored = {b"data": letter.data, b"t:dl": letter.origin, b"timestamp": b"1"}
    return read_letter(FoundJob(StoredJob("dead", letter.id, stored), JobState.WAITING))


@given(
    data=JSON,
    opts=st.dictionaries(st.text(), JSON, max_size=3),
    separators=SEPARATORS,
    is_ascii=st.booleans(),
    name=st.text(min_size=1, max_size=5),
)
def test_what_is_sent_back_is_byte_for_byte_what_failed(data, opts, separators, is_ascii, name):
    dump = {"separators": separators, "ensure_ascii": is_ascii}
    raw_data, raw_opts = json.dumps(data, **dump).encode(), json.dumps(opts, **dump).encode()
    letter = write_letter(raw_data, raw_opts, name)

    call = replay_letters(QueueKeys("bull", "dead"), [letter], now_ms=5)

    [packed] = msgpack.unpackb(call.args[-1], raw=True)
    assert packed[3:6] == [name.encode(), raw_data, raw_opts]
    assert packed[7] == [b"ats", b"2", b"t:r", b"run"]
    assert call.keys == ("bull:dead:", "bull:orders:")


def test_options_that_are_no_json_do_not_keep_a_letter_from_being_one():
    letter = write_letter(b"{}", b"{broken", "sync")

    call = replay_letters(QueueKeys("bull", "dead"), [letter], now_ms=5)

    assert msgpack.unpackb(call.args[-1], raw=True)[0][5] == b"{}"


def test_a_job_without_or_with_an_unreadable_mark_is_no_letter():
    for fields in ({}, {b"t:dl": b"{"}, {b"t:dl": b"[]"}):
        job = StoredJob("dead", "1", {b"data": b"{}", **fields})
        assert read_letter(FoundJob(job, JobState.WAITING)) is None
