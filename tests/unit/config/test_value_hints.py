"""What is proposed instead of a value of a wrong kind."""

from __future__ import annotations

from typing import Any

import pytest

from toril.config.value_hints import hint_at


@pytest.mark.parametrize(
    ("value", "wanted", "types", "hint"),
    [
        (30, "a duration such as 30s", (), "add a unit: 30s"),
        (1500, "a duration such as 30s", (), "add a unit: 1500ms is 1.5s"),
        ("5 minutes", "a duration such as 30s", (), "write 5m"),
        ("1 hour", "a duration such as 30s", (), "write 1h"),
        ("200 milliseconds", "a duration such as 30s", (), "write 200ms"),
        ("soon", "a duration such as 30s", (), None),
        (10, "a size such as 10kb", (), "add a unit: 10b"),
        (100, "a map with count and age", ("object",), "write {count: 100}"),
        (False, "a map with count and age", ("object",), "write {count: 0} to keep none"),
        ("$N", "a number", ("integer",), "write ${N}"),
        ("concurrency:5", "a map that declares a queue", ("object",), "put a blank after ':'"),
        ("a", "a list of steps", ("array",), "write [a]"),
        ([{"name": "a"}], "a map of jobs", ("object",), "write `a: ...` instead of `- name: a`"),
        ([1], "a map of jobs", ("object",), "write each as `name: ...`, without '-'"),
        (5, "the name of a queue", ("string",), 'quote it: "5"'),
        ("yes", "true or false", ("boolean",), "write true"),
        (None, "true or false", ("boolean",), None),
    ],
)
def test_a_wrong_value_gets_a_hint(
    value: Any, wanted: str, types: tuple[str, ...], hint: str | None
) -> None:
    assert hint_at(value, wanted=wanted, types=types, key="some_key") == hint


def test_a_backoff_type_alone_is_shown_as_the_map() -> None:
    hint = hint_at("linear", wanted="a duration such as 30s", types=(), key="backoff")

    assert hint == "write {type: linear, delay: 1s}"
