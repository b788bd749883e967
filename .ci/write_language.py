"""Writes docs/language.md, the reference of every key, from the schemas: `make docs`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from toril.config.schema_files import load_schema

PAGE = Path(__file__).parents[1] / "docs" / "language.md"
Schema = Mapping[str, Any]

HEAD = """\
# Language reference

Every key that a pipeline may hold, written by `make docs` from the JSON Schemas in
[schemas/](../schemas), which are what `toril check` checks. [configuration.md](configuration.md)
says how files, values, variables and expressions are read; the guides tell how things go together:
{guides}.

A dot leads one level down: `retry.attempts` is `retry: {{attempts: ...}}`; `NAME` stands for a name
of your own, `[]` for each entry of a list. Durations, rates and sizes carry their unit.
"""
#: The pages that explain a part of the language, as they are there.
GUIDES = (
    "schedules",
    "flows",
    "limits",
    "jobs",
    "dead-letters",
    "cancel-and-timeouts",
    "processes",
    "plugins",
)
#: Parts that have a section of their own, by their title: what stands in their place.
SECTIONS = {
    "queue": "queues.NAME",
    "job": "jobs.NAME",
    "schedule": "schedules.NAME",
    "flow": "flows.NAME",
}
SHARED = {"job defaults": "[jobs](#jobsname)", "queue defaults": "[queues](#queuesname)"}
COLUMNS = "| key | type | default | example | meaning |\n| --- | --- | --- | --- | --- |\n"


def main() -> None:
    PAGE.write_text(build_page(), encoding="utf-8")
    print(f"wrote {PAGE.name}")


def build_page() -> str:
    root, pipeline = load_schema("toril.json"), load_schema("pipeline.json")["properties"]
    guides = ", ".join(
        f"[{name}]({name}.md)" for name in GUIDES if (PAGE.parent / f"{name}.md").exists()
    )
    sections = [("toril.yaml", {**root, "properties": _without(root["properties"], pipeline)})]
    for key, heading in zip(pipeline, SECTIONS.values(), strict=True):
        sections.append((heading, pipeline[key]["additionalProperties"]))
    parts = [HEAD.format(guides=guides)]
    for heading, part in sections:
        rows = "".join(_format_row(*row) for row in _walk(part, ""))
        parts.append(f"\n## {heading}\n\n{COLUMNS}{rows}")
    return "".join(parts)


def _without(properties: Schema, others: Schema) -> dict[str, Any]:
    return {key: part for key, part in properties.items() if key not in others}


def _walk(part: Schema, prefix: str) -> Iterator[tuple[str, Schema, bool]]:
    """Gives every key below a map with its schema, and whether it must be there."""
    for key, schema in part.get("properties", {}).items():
        yield prefix + key, schema, key in part.get("required", ())
        if schema.get("title") not in SHARED:
            yield from _walk_below(schema, prefix + key)


def _walk_below(schema: Schema, path: str) -> Iterator[tuple[str, Schema, bool]]:
    yield from _walk(schema, f"{path}.")
    for word, suffix in (("items", "[]."), ("additionalProperties", ".NAME.")):
        inner = schema.get(word)
        if isinstance(inner, Mapping):
            yield from _walk(inner, path + suffix)


def _format_row(key: str, schema: Schema, is_required: bool) -> str:
    example = schema["examples"][0]
    cells = (
        f"`{key}`",
        _describe_type(schema),
        _describe_default(schema, is_required),
        f"`{_write(example)}`",
        _describe_meaning(schema),
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def _describe_type(schema: Schema) -> str:
    if schema.get("title") in SHARED:
        return "map"
    if "x-unit" in schema:
        return str(schema["x-unit"])
    if "enum" in schema:
        return " or ".join(f"`{_write(value)}`" for value in schema["enum"])
    kinds = schema.get("type")
    if kinds is None:
        return "any"
    names = [
        _NAMES[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind != "null"
    ]
    if "items" in schema and len(names) == 1:
        return f"list of {_describe_type(schema['items'])}"
    return ", ".join(name + _describe_range(schema) * (name == "number") for name in names)


_NAMES = {
    "object": "map",
    "array": "list",
    "string": "text",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
}


def _describe_range(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None:
        return ""
    return f" from {low}" + (f" to {high}" if high is not None else "")


def _describe_default(schema: Schema, is_required: bool) -> str:
    if is_required:
        return "required"
    # Words cover a value that came along with a shared part.
    return str(schema["x-default"]) if "x-default" in schema else f"`{_write(schema['default'])}`"


def _describe_meaning(schema: Schema) -> str:
    place = SHARED.get(str(schema.get("title")))
    if place is None:
        return str(schema["description"])
    keys = ", ".join(f"`{key}`" for key in schema["properties"])
    return f"{schema['description']} Of {place}: {keys}."


def _write(value: Any) -> str:
    """Writes a value as YAML takes it on one line."""
    text: str = yaml.safe_dump(
        value, default_flow_style=True, width=1_000_000, sort_keys=False, allow_unicode=True
    )
    return text.removesuffix("\n").removesuffix("\n...")


if __name__ == "__main__":
    main()
