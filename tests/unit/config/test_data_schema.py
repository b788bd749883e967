"""Checking data against a declared schema."""

from __future__ import annotations

from typing import Any

import pytest

from toril.config.data_schema import DataSchema, check_data
from toril.errors import InvalidData

SCHEMA = {
    "type": "object",
    "required": ["user_id"],
    "properties": {
        "user_id": {"type": "string", "pattern": "^u[0-9]+$"},
        "amount": {"type": "number", "exclusiveMinimum": 0, "multipleOf": 0.5},
        "kind": {"enum": ["buy", "sell", None]},
        "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "maxItems": 2},
        "note": {"anyOf": [{"type": "string", "maxLength": 3}, {"type": "null"}]},
        "either": {"oneOf": [{"type": "integer"}, {"type": "number"}]},
        "fixed": {"const": [1]},
        "never": False,
    },
    "additionalProperties": False,
    "dependentRequired": {"amount": ["kind"]},
}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ([], "expected a map, got an empty list for data"),
        (None, "expected a map, got nothing for data"),
        ({}, "missing key 'user_id' in data"),
        ({"user_id": 5}, "expected text, got 5 for data.user_id"),
        (
            {"user_id": "x"},
            "expected text that matches ^u[0-9]+$, got 'x' for data.user_id",
        ),
        ({"amount": 0, "kind": "buy"}, "expected a number above 0, got 0 for data.amount"),
        ({"amount": 0.7, "kind": "buy"}, "expected a multiple of 0.5, got 0.7 for data.amount"),
        ({"amount": True, "kind": "buy"}, "expected a number, got true for data.amount"),
        ({"kind": "by"}, "expected 'buy', 'sell' or nothing, got 'by' for data.kind"),
        ({"tags": ["a", 1]}, "expected text, got 1 for data.tags.1"),
        (
            {"tags": ["a", "a"]},
            "expected a list without repetitions, got 'a' twice for data.tags",
        ),
        ({"tags": ["a", "b", "c"]}, "expected at most 2 items, got 3 for data.tags"),
        ({"note": "long"}, "expected at most 3 characters, got 4 for data.note"),
        ({"note": 5}, "expected text or nothing, got 5 for data.note"),
        (
            {"either": 5},
            "expected what fits exactly one of several alternatives, got 5 for data.either",
        ),
        ({"fixed": [2]}, "expected [1], got a list for data.fixed"),
        # jsonschema does not say under which key it met a schema that is just false.
        ({"never": 1}, "expected nothing here, got 1 for data"),
        ({"user": "u1"}, "unknown key 'user' in data"),
        ({"amount": 1}, "expected keys that belong together, got a map for data"),
    ],
)
def test_data_that_does_not_fit_is_refused_with_place_and_reason(data: Any, reason: str) -> None:
    complete = data if not isinstance(data, dict) or not data else {"user_id": "u1", **data}

    with pytest.raises(InvalidData) as caught:
        check_data(SCHEMA, complete, "data of 'sync'")

    assert str(caught.value) == f"data of 'sync': {reason}"


@pytest.mark.parametrize("schema", [None, True, {}, SCHEMA])
def test_data_that_fits_passes(schema: Any) -> None:
    DataSchema(schema, what="data").check({"user_id": "u1", "amount": 1.5, "kind": "buy"})


def test_a_schema_that_takes_nothing_refuses_everything() -> None:
    with pytest.raises(InvalidData, match=r"^data: expected nothing here, got a map for data$"):
        check_data(False, {"a": 1}, "data")


def test_a_secret_is_text_like_any_other_in_data() -> None:
    with pytest.raises(InvalidData):
        check_data({"maxLength": 3}, "secret://env/X", "data")


def test_data_that_nests_too_deep_to_be_checked_is_refused() -> None:
    data: Any = []
    for _ in range(900):
        data = [data]

    with pytest.raises(InvalidData, match="expected data that nests less deep, got a list"):
        check_data({"items": {"$ref": "#"}}, data, "data")
