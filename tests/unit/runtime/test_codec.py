"""Tests of runtime/codec.py: what passes through Redis unchanged, and what is refused."""

from __future__ import annotations

import enum
import json
import math
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toril.declarations.job_type import KeepRule
from toril.errors import InvalidData, InvalidJobId
from toril.runtime.codec import (
    decode_json,
    decode_opts,
    encode_json,
    encode_keep,
    encode_opts,
    generate_job_id,
    read_keep,
    validate_job_id,
)
from toril.runtime.keys import QUEUE_SUFFIXES

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
)


@given(JSON)
def test_any_json_comes_back_as_it_was(value) -> None:
    assert decode_json(encode_json(value)) == value


@given(JSON)
def test_any_other_reader_of_json_reads_the_same(value) -> None:
    assert json.loads(encode_json(value)) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_keeps_every_bit(value: float) -> None:
    assert math.copysign(1, decode_json(encode_json(value))) == math.copysign(1, value)
    assert decode_json(encode_json(value)) == value


class Side(enum.StrEnum):
    BUY = "buy"


class HalfFloat(float):
    """As numpy's numbers are: a float, but not of that very type."""


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ((1, 2), b"[1,2]"),
        ({"side": Side.BUY}, b'{"side":"buy"}'),
        ([HalfFloat(0.5)], b"[0.5]"),
        ({}, b"{}"),
        ([], b"[]"),
        (0, b"0"),
        (None, b"null"),
        ("é\x00", '"é\\u0000"'.encode()),
    ],
)
def test_values_that_json_knows_under_another_name(value, stored: bytes) -> None:
    assert encode_json(value) == stored


LOOP: list = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"a": [1, math.nan]}, "data.a[1] is nan, which JSON cannot hold; pass null or text"),
        (-math.inf, "data is -inf, which JSON cannot hold; pass null or text"),
        ({"a": {1: 2}}, "expected text as key in data.a, got 1"),
        (
            [2**53 + 1],
            "data[0] is the integer 9007199254740993, beyond 2^53: a Node peer would change it; "
            "pass it as text",
        ),
        ({"a": "\ud800"}, "data.a holds half a surrogate pair, which UTF-8 cannot hold"),
        ({"\udfff": 1}, "data holds half a surrogate pair, which UTF-8 cannot hold"),
        ({"a": {1, 2}}, "data.a is a set, which JSON cannot hold"),
        (b"raw", "data is a bytes, which JSON cannot hold"),
        (
            LOOP,
            "data" + "[0]" * 18 + "[0... is nested more than 200 levels deep",
        ),
    ],
)
def test_what_json_cannot_hold_is_refused_with_its_place(value, sentence: str) -> None:
    with pytest.raises(InvalidData) as caught:
        encode_json(value)

    assert str(caught.value) == sentence


def test_what_a_refusal_names_can_be_chosen() -> None:
    with pytest.raises(InvalidData, match=r"^result is a set"):
        encode_json({1}, "result")


def test_node_may_store_what_utf8_cannot_hold() -> None:
    assert decode_json(b'"\\ud800"') == "\ud800"


@pytest.mark.parametrize("raw", [b"", b"{", b"NaN", b"[1,]", b"\xff", b'"\xff"', b"Infinity"])
def test_what_is_not_json_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidData, match=r"^data is not JSON: "):
        decode_json(raw)


OPTS = st.fixed_dictionaries(
    {},
    optional={
        "attempts": st.integers(0, 100),
        "backoff": st.fixed_dictionaries({"type": TEXT, "delay": st.integers(0)}),
        "failParentOnFailure": st.booleans(),
        "ignoreDependencyOnFailure": st.booleans(),
        "keepLogs": st.integers(0, 1000),
        "deduplication": st.fixed_dictionaries({"id": TEXT}),
        "telemetry": st.fixed_dictionaries({"metadata": TEXT}),
        "anythingElse": JSON.filter(lambda value: value is not None),
    },
)


@given(OPTS)
def test_options_come_back_under_their_public_names(opts) -> None:
    opts = json.loads(json.dumps(opts)) if _is_small(opts) else {}

    assert decode_opts(encode_opts(opts)) == opts


def _is_small(value) -> bool:
    if isinstance(value, dict):
        return all(_is_small(item) for item in value.values())
    if isinstance(value, list):
        return all(_is_small(item) for item in value)
    return not isinstance(value, int) or abs(value) <= 2**53


def test_options_are_stored_under_short_names() -> None:
    stored = encode_opts(
        {
            "failParentOnFailure": True,
            "keepLogs": 5,
            "telemetry": {"metadata": "m", "omitContext": True},
            "priority": None,
        }
    )

    assert json.loads(stored) == {"fpof": True, "kl": 5, "tm": "m", "omc": True}


def test_options_that_are_no_object_are_refused() -> None:
    with pytest.raises(InvalidData, match=r"^expected opts to be an object, got \[\]$"):
        decode_opts(b"[]")


DECLARED = KeepRule(count=7)


@pytest.mark.parametrize(
    ("own", "rule"),
    [
        (None, DECLARED),
        (True, KeepRule(count=0)),
        (False, KeepRule()),
        (0, KeepRule(count=0)),
        (100, KeepRule(count=100)),
        (-1, KeepRule()),
        ({"count": 5}, KeepRule(count=5)),
        ({"age": 60}, KeepRule(age_ms=60_000)),
        ({"age": 0.5, "count": 5, "limit": 9}, KeepRule(count=5, age_ms=500)),
        ({"count": -1}, KeepRule()),
        ("all", DECLARED),
    ],
)
def test_a_jobs_own_retention_wins(own, rule: KeepRule) -> None:
    assert read_keep(encode_opts({"removeOnComplete": own}), "a", "completed", DECLARED) == rule
    assert read_keep(encode_opts({"removeOnFail": own}), "a", "failed", DECLARED) == rule


def test_options_that_cannot_be_read_leave_the_declared_retention() -> None:
    assert read_keep(b"[", "a", "completed", DECLARED) is DECLARED


@given(st.builds(KeepRule, count=st.none() | st.integers(0, 10**9)))
def test_a_declared_rule_comes_back_from_the_jobs_options(rule: KeepRule) -> None:
    opts = encode_opts({"removeOnComplete": encode_keep(rule)})

    assert read_keep(opts, "a", "completed", DECLARED) == rule


def test_a_stored_age_is_whole_seconds_and_never_shorter() -> None:
    assert encode_keep(KeepRule(count=3, age_ms=1_500)) == {"count": 3, "age": 2}


DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~"


@given(st.integers(0, 2**48 - 1))
def test_generated_ids_tell_their_time(now_ms: int) -> None:
    made = generate_job_id(now_ms)

    value = 0
    for digit in made:
        value = value * 64 + DIGITS.index(digit)
    assert len(made) == 20
    assert value >> 72 == now_ms


@given(st.integers(0, 2**48 - 2))
def test_ids_generated_later_sort_later(now_ms: int) -> None:
    assert generate_job_id(now_ms) < generate_job_id(now_ms + 1)


def test_generated_ids_differ_and_are_valid() -> None:
    ids = [generate_job_id(1_790_000_000_000) for _ in range(10_000)]

    assert len(set(ids)) == 10_000
    assert all(validate_job_id(one) == one for one in ids)


def test_a_forked_process_generates_ids_of_its_own() -> None:
    generate_job_id(0)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, generate_job_id(0).encode())
        os._exit(0)
    os.waitpid(child, 0)

    assert os.read(reading, 100).decode() not in {generate_job_id(0) for _ in range(200)}


@given(st.integers(1_000_000_000_000, 2**42 - 1))
def test_generated_ids_of_this_century_are_never_integers(now_ms: int) -> None:
    start = generate_job_id(now_ms)[:8]

    assert not start.isdecimal()


@pytest.mark.parametrize("job_id", ["a", "sync-user-123", "007x", "run.step", "ü", "1.5", "a b"])
def test_ids_the_layout_can_hold(job_id: str) -> None:
    assert validate_job_id(job_id) == job_id


@pytest.mark.parametrize(
    ("job_id", "problem"),
    [
        ("", "is empty"),
        ("123", "is an integer, which would collide with generated ids; put a letter in it"),
        ("-5", "is an integer, which would collide with generated ids; put a letter in it"),
        ("0", "is an integer, which would collide with generated ids; put a letter in it"),
        ("0:1", "holds ':', which parts the keys in Redis; use '-' or '.'"),
        ("repeat:x:1", "holds ':', which parts the keys in Redis; use '-' or '.'"),
        ("wait", "is the name of one of the queue's own keys"),
        ("a\x00", "holds a control character"),
        ("a\x1b[0m", "holds a control character"),
        ("\ud800", "holds half a surrogate pair"),
        ("é" * 300, "is 600 bytes long; at most 512 are allowed"),
    ],
)
def test_ids_the_layout_cannot_hold_are_refused(job_id: str, problem: str) -> None:
    with pytest.raises(InvalidJobId) as caught:
        validate_job_id(job_id)

    shown = job_id if len(job_id) <= 100 else f"{job_id[:100]}…"
    assert str(caught.value) == f"job id {shown!r} {problem}"


@pytest.mark.parametrize("name", sorted(QUEUE_SUFFIXES))
def test_no_job_takes_the_place_of_a_key_of_the_queue(name: str) -> None:
    with pytest.raises(InvalidJobId):
        validate_job_id(name)
