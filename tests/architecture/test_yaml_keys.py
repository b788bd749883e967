"""Every key of the language is documented in the guide, and described in its schema for editors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from toril.config.schema_files import load_schema

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
PARTS = ROOT / "schemas/parts"

#: Where the keys of a schema part stand in the guide's tables: the prefix before each key.
PREFIXES = {
    "redis.json": "redis.",
    "plugins.json": "plugins.",
    "defaults.json": "defaults.",
    "queue.json": "",
    "job.json": "",
    "retry.json": "retry.",
    "backoff.json": "",
    "keep.json": "keep.",
    "schedule.json": "",
    "flow.json": "",
}
KEYS = [
    (part, prefix + key)
    for part, prefix in PREFIXES.items()
    for key in json.loads((PARTS / part).read_text())["properties"]
]
ROWS = {line.split("|")[1].strip() for line in GUIDE.splitlines() if line.startswith("| `")}


@pytest.mark.parametrize(("part", "key"), KEYS)
def test_a_key_has_a_row_in_the_guide(part: str, key: str) -> None:
    rows = {row.strip("`") for row in ROWS}

    assert key in rows or any(row.startswith(f"{key}.") for row in rows)


def test_keys_of_the_root_and_of_steps_have_rows_too() -> None:
    root = json.loads((ROOT / "schemas/toril.json").read_text())["properties"]
    step = json.loads((PARTS / "flow.json").read_text())["$defs"]["step"]["properties"]
    headings = {line.removeprefix("## ") for line in GUIDE.splitlines() if line.startswith("## ")}
    tops = {row.strip("`").partition(".")[0] for row in ROWS} | headings

    assert set(root) <= tops
    assert {f"`steps.NAME.{key}`" for key in step} <= ROWS


@pytest.mark.parametrize("name", ["toril.json", "pipeline.json"])
def test_every_key_is_described_in_its_schema(name: str) -> None:
    described = [
        (key, "description" in schema)
        for key, schema in walk_properties(load_schema(name))
        # Conditions repeat a key only to look at it.
        if schema is not True and "not" not in schema
    ]

    assert [key for key, is_described in described if not is_described] == []


def walk_properties(part: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Gives every key of a schema with its own schema."""
    if isinstance(part, dict):
        yield from part.get("properties", {}).items()
        for value in part.values():
            yield from walk_properties(value)
    elif isinstance(part, list):
        for value in part:
            yield from walk_properties(value)
