"""The JSON Schemas in `schemas/`, joined through a registry."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from referencing import Registry
from referencing.jsonschema import DRAFT202012, SchemaRegistry, SchemaResource

#: Schemas refer to each other by file name, so any base will do; this one is on no network.
_BASE = "file:///toril/schemas/"


@cache
def load_schema(name: str) -> Mapping[str, Any]:
    """Gives a schema such as `toril.json` with what it refers to in place of the references.

    Looking references up while values are checked would take most of the time. A schema that refers
    to itself contains itself.
    """
    registry = _load_registry()
    uri = _BASE + name
    schema: Mapping[str, Any] = _join(registry, uri, registry.contents(uri), {})
    return schema


@cache
def _load_registry() -> SchemaRegistry:
    folder = files("toril") / "schemas"
    resources: list[tuple[str, SchemaResource]] = [
        (f"{_BASE}{prefix}{file.name}", DRAFT202012.create_resource(_read(file)))
        for prefix, place in (("", folder), ("parts/", folder / "parts"))
        for file in place.iterdir()
        if file.name.endswith(".json")
    ]
    return Registry().with_resources(resources)


def _read(file: Any) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def _join(registry: SchemaRegistry, base: str, part: Any, joined: dict[str, Any]) -> Any:
    """Copies a part of the schema at `base`; `joined` holds what was referred to before."""
    if isinstance(part, list):
        return [_join(registry, base, item, joined) for item in part]
    if not isinstance(part, dict):
        return part
    if not isinstance(part.get("$ref"), str):
        # "$schema" would make jsonschema leave the keywords of ours out from there on.
        return {
            key: _join(registry, base, value, joined)
            for key, value in part.items()
            if key != "$schema" or not isinstance(value, str)
        }
    target = _follow(registry, base, part["$ref"], joined)
    # Only words stand beside a reference, so they may cover the target's own.
    beside = {key: value for key, value in part.items() if key != "$ref"}
    return {**target, **beside} if beside else target


def _follow(registry: SchemaRegistry, base: str, ref: str, joined: dict[str, Any]) -> Any:
    resolved = registry.resolver(base).lookup(ref)
    file, _, pointer = ref.partition("#")
    uri = (base.rpartition("/")[0] + "/" + file if file else base) + "#" + pointer
    if uri not in joined:
        # Entered before it is filled, so that a circle finds it.
        joined[uri] = target = {}
        target.update(_join(registry, uri.partition("#")[0], resolved.contents, joined))
    return joined[uri]
