"""`key=value` words and `--data`."""

from __future__ import annotations

from typing import Any

import click
import pytest

from toril.cli.arguments import parse_data


@pytest.mark.parametrize(
    ("word", "data"),
    [
        ("name=Ada", {"name": "Ada"}),
        ("n=3", {"n": 3}),
        ("price=1.5", {"price": 1.5}),
        ("ok=true", {"ok": True}),
        ("nothing=null", {"nothing": None}),
        ('id="3"', {"id": "3"}),
        ("tags=[1, 2]", {"tags": [1, 2]}),
        ("empty=", {"empty": ""}),
        ("equation=a=b", {"equation": "a=b"}),
        ("when=2027-01-01", {"when": "2027-01-01"}),
        ("x=NaN", {"x": "NaN"}),
        ("True=True", {"True": "True"}),
    ],
)
def test_a_value_is_json_if_it_reads_as_json_else_text(word: str, data: dict[str, Any]) -> None:
    assert parse_data([word], None) == data


@pytest.mark.parametrize(
    ("words", "text", "data"),
    [
        ([], None, {}),
        ([], "[1]", [1]),
        ([], "null", None),
        (["b=2"], '{"a": 1, "b": 1}', {"a": 1, "b": 2}),
    ],
)
def test_words_are_set_over_the_object(words: list[str], text: str | None, data: Any) -> None:
    assert parse_data(words, text) == data


@pytest.mark.parametrize(
    ("words", "text", "message"),
    [
        (["name"], None, "expected key=value, got 'name'"),
        (["=3"], None, "expected key=value, got '=3'"),
        (["a=1", "a=2"], None, "'a' is given twice"),
        (["a=1"], "[1]", "key=value needs an object in --data, got [1]"),
        ([], "{", "--data is not JSON: Expecting property name enclosed in double quotes"),
        ([], "[NaN]", "--data is not JSON: NaN is not JSON"),
        ([], "[" * 100_000, "--data is not JSON: "),
    ],
)
def test_what_cannot_be_read_is_a_usage_error(
    words: list[str], text: str | None, message: str
) -> None:
    with pytest.raises(click.UsageError) as caught:
        parse_data(words, text)

    assert caught.value.message.startswith(message)
