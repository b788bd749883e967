"""The schema files themselves."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from toril.config.schema_files import load_schema
from toril.declarations.backoff import BUILTIN_BACKOFFS
from toril.declarations.units import (
    DURATION_PATTERN,
    SIZE_PATTERN,
    parse_duration_ms,
    parse_size,
)

FOLDER = Path(__file__).parents[3] / "schemas"
FILES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.json"))
UNITS = json.loads((FOLDER / "parts/units.json").read_text())["$defs"]


@pytest.mark.parametrize("name", FILES)
def test_a_schema_file_is_a_schema_and_its_references_lead_somewhere(name: str) -> None:
    schema = json.loads((FOLDER / name).read_text())

    Draft202012Validator.check_schema(schema)
    load_schema(name)


@pytest.mark.parametrize("name", FILES)
def test_objects_are_closed_but_for_extension_keys(name: str) -> None:
    if name == "parts/json_schema.json":
        return
    for part in walk(json.loads((FOLDER / name).read_text())):
        if part.get("additionalProperties") is False:
            assert part["patternProperties"] == {"^x-": True}, part


@pytest.mark.parametrize("name", FILES)
def test_what_a_later_version_takes_is_not_taken_now(name: str) -> None:
    for part in walk(json.loads((FOLDER / name).read_text())):
        later = part.get("x-later", [])
        assert not set(later) & {*part.get("properties", ()), *part.get("enum", ())}


def test_durations_and_sizes_have_one_pattern() -> None:
    assert UNITS["duration"]["pattern"] == UNITS["pause"]["pattern"] == DURATION_PATTERN
    assert UNITS["size"]["pattern"] == SIZE_PATTERN


UNIT_TEXTS = st.one_of(
    st.from_regex(DURATION_PATTERN),
    st.from_regex(SIZE_PATTERN),
    st.text(alphabet="0123456789wdhmskgb \n", max_size=12),
)


@settings(deadline=None)
@given(UNIT_TEXTS)
def test_the_pattern_takes_what_the_parser_takes(text: str) -> None:
    for kind, parse in (("duration", parse_duration_ms), ("size", parse_size)):
        # A line break at the end passes `$` in Python alone; the loader refuses it then.
        matches = re.search(UNITS[kind]["pattern"], text) is not None and not text.endswith("\n")
        assert matches == is_parsed(parse, text)


def test_every_built_in_backoff_is_closed() -> None:
    backoff = json.loads((FOLDER / "parts/backoff.json").read_text())

    closed = backoff["else"]["if"]["properties"]["type"]["not"]["enum"]

    assert set(closed) == set(BUILTIN_BACKOFFS)
    assert list(backoff["else"]["else"]["properties"]) == list(backoff["properties"])


def is_parsed(parse: Any, text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def walk(part: Any) -> Iterator[Mapping[str, Any]]:
    """Gives every map in a schema file."""
    if isinstance(part, dict):
        yield part
        for value in part.values():
            yield from walk(value)
    elif isinstance(part, list):
        for value in part:
            yield from walk(value)
