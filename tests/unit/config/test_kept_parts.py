from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema.validators import extend

from toril.config.kept_parts import keep_parts
from toril.config.schema_files import load_schema

SCHEMA = load_schema("parts/json_schema.json")
#: Schemas by the metaschema: right ones, wrong ones, and wrong in several places and depths.
VALUES: list[Any] = [
    {"type": "object", "properties": {"a": {"type": "string"}}},
    {"type": "thing"},
    {"properties": {"a": {"minLength": -1}, "b": {"items": {"required": "x"}}}, "title": 3},
    {"allOf": [{"type": "string"}, {"enum": "x"}], "$defs": {"a": {"if": 5}}},
    [],
    True,
]


@pytest.mark.parametrize("value", VALUES)
def test_errors_are_those_of_a_validator_that_keeps_nothing(value: Any) -> None:
    kept = keep_parts(extend(Draft202012Validator))(SCHEMA)  # type: ignore[no-untyped-call]

    for _ in range(2):
        assert _tell(kept, value) == _tell(Draft202012Validator(SCHEMA), value)


def test_a_part_is_made_once() -> None:
    kept = keep_parts(extend(Draft202012Validator))(SCHEMA)  # type: ignore[no-untyped-call]
    part = SCHEMA["properties"]["type"]

    assert kept.evolve(schema=part) is kept.evolve(schema=part)


def _tell(validator: Any, value: Any) -> list[tuple[Any, ...]]:
    return [
        (
            error.message,
            list(error.absolute_path),
            list(error.absolute_schema_path),
            error.validator,
        )
        for error in validator.iter_errors(value)
    ]
