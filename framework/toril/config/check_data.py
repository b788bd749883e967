"""Checks data that is written down in the YAML against the schema it will meet when it is added."""

from __future__ import annotations

from typing import Any

from toril.config.context import Context
from toril.config.data_schema import make_data_validator
from toril.config.document import Path
from toril.config.entries import Entry
from toril.config.schema import find_errors
from toril.config.schema_words import describe_errors


def check_static_data(context: Context, entry: Entry, keys: Path, target: Entry) -> None:
    """Checks the data of a schedule or step; data with expressions is known at run time only."""
    document = entry.document
    path = (*entry.path, *keys)
    if path in document.expressions:
        return
    if target.kind == "jobs":
        schema = context.data_schemas.get(target.name)
        wants = f"the data_schema of job {target.name!r}"
    else:
        schema = context.flow_inputs.get(target.name)
        wants = f"the inputs of flow {target.name!r}"
    if schema is None:
        return
    data: Any = entry.value
    for key in keys:
        data = data.get(key, {}) if isinstance(data, dict) else {}
    try:
        errors = find_errors(document, path, data, make_data_validator(schema))
    except RecursionError:
        document.add("T215", path, f"expected data that nests less deep, by {wants}", at_key=True)
        return
    for misfit in describe_errors(errors):
        where = (*path, *misfit.path)
        sentence = misfit.sentence(("data",), document.variables.get(where))
        document.add(
            "T215", where, f"{sentence}, by {wants}", hint=misfit.hint, at_key=misfit.at_key
        )
