"""Every key of the language is described in its schema, with a default and an example that fit."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from toril.config.schema import make_params_validator
from toril.config.schema_files import load_schema

ROOT = Path(__file__).parents[2]
FILES = ["toril.json", "pipeline.json"]


def walk_properties(part: Any) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """Gives every key of a schema with its own schema, and whether it must be there."""
    if isinstance(part, dict):
        for key, schema in part.get("properties", {}).items():
            # Conditions repeat a key only to look at it.
            if schema is not True and "not" not in schema:
                yield key, schema, key in part.get("required", ())
        for value in part.values():
            yield from walk_properties(value)
    elif isinstance(part, list):
        for value in part:
            yield from walk_properties(value)


KEYS = [key for name in FILES for key in walk_properties(load_schema(name))]


@pytest.mark.parametrize(("key", "schema", "is_required"), KEYS)
def test_a_key_is_described_with_its_default_and_an_example(
    key: str, schema: Mapping[str, Any], is_required: bool
) -> None:
    wanted = {"description", "examples"}

    assert wanted <= set(schema), key
    assert is_required or {"default", "x-default"} & set(schema), f"{key} has no default"


@pytest.mark.parametrize(("key", "schema", "is_required"), KEYS)
def test_examples_and_defaults_of_a_key_fit_its_schema(
    key: str, schema: Mapping[str, Any], is_required: bool
) -> None:
    validator = make_params_validator(schema)
    values = [*schema["examples"], *([schema["default"]] if "default" in schema else [])]

    assert [value for value in values if not validator.is_valid(value)] == [], key


def test_the_language_page_is_what_make_docs_writes() -> None:
    spec = importlib.util.spec_from_file_location("language", ROOT / ".ci" / "write_language.py")
    assert spec is not None
    assert spec.loader is not None
    language = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(language)

    assert (ROOT / "docs" / "language.md").read_text() == language.build_page(), "run `make docs`"


def test_no_key_is_taken_and_refused_at_once() -> None:
    parts = [json.loads(p.read_text()) for p in sorted((ROOT / "schemas").rglob("*.json"))]

    both = [set(part.get("x-later", ())) & set(part.get("properties", ())) for part in parts]

    assert not any(both)
