"""The defaults that the schemas tell are the ones that apply."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from toril import hookimpl
from toril.config.loader import load_pipeline
from toril.config.schema_files import load_schema
from toril.declarations.pipeline import Pipeline
from toril.plugins.decorators import processor
from toril.plugins.manager import PluginManager

SHORTEST: dict[str, Any] = {
    "queues": {"orders": {}},
    "jobs": {"sync": {"queue": "orders", "use": "test.sync"}},
    "schedules": {"hourly": {"every": "1h", "job": "sync"}},
    "flows": {"evening": {"steps": {"only": {"job": "sync"}}}},
}


def told_defaults(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Gives the defaults of a map's keys as one would write them."""
    told = {}
    for key, part in schema["properties"].items():
        if part.get("x-default") == "as below":
            told[key] = told_defaults(part)
        elif "default" in part and "x-default" not in part:
            told[key] = part["default"]
    return told


def load(root: Path, values: Mapping[str, Any]) -> Pipeline:
    (root / "toril.yaml").write_text(json.dumps({"version": 1, **values}))
    return load_pipeline(root, plugins=plugins()).require_pipeline()


def plugins() -> PluginManager:
    sync = processor("test.sync")(lambda job: None)
    plugin = SimpleNamespace(toril_processors=hookimpl(lambda: [sync]))
    return PluginManager.load(extra={"test": plugin})


@pytest.mark.parametrize("kind", SHORTEST)
def test_a_default_that_is_written_out_changes_nothing(kind: str, tmp_path: Path) -> None:
    schema = load_schema("pipeline.json")["properties"][kind]["additionalProperties"]
    written = json.loads(json.dumps(SHORTEST))
    for name, values in written[kind].items():
        written[kind][name] = {**told_defaults(schema), **values}

    assert load(tmp_path, written) == load(tmp_path, SHORTEST)


def test_a_default_of_redis_that_is_written_out_changes_nothing(tmp_path: Path) -> None:
    told = told_defaults(load_schema("toril.json")["properties"]["redis"])

    assert load(tmp_path, {**SHORTEST, "redis": told}) == load(tmp_path, SHORTEST)
