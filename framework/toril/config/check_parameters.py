"""Checks the `with:` of a job against what its processor takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from toril.config.context import Context
from toril.config.document import Path
from toril.config.entries import Entry
from toril.config.schema import check_params
from toril.plugins.descriptors import Processor

#: Where msgspec says an error is: `Expected `int` - at `$.limits[0].per_page``.
_PLACE = re.compile(r" - at `(?P<place>\$[^`]*)`$")
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]")


def check_parameters(context: Context, job: Entry, processor: Processor) -> None:
    """Checks the parameters, by their schema and by the type itself, and keeps them."""
    said: dict[str, Any] = job.value.get("with", {})
    declared = _declared_names(processor)
    params = {k: v for k, v in said.items() if k in declared or not k.startswith("x-")}
    context.params[job.name] = params
    if processor.params is None:
        if params:
            message = f"processor {processor.name!r} takes no parameters"
            job.add("T209", ("with",), message, hint="remove 'with'", at_key=True)
        return
    path = (*job.path, "with")
    fits = check_params(job.document, path, params, processor.params_schema)
    if fits and not any(secret[: len(path)] == path for secret in job.document.secrets):
        refusal = find_refusal(params, processor.params)
        if refusal is not None:
            place, reason = refusal
            message = f"processor {processor.name!r} cannot take the parameters: {reason}"
            job.add("T219", ("with", *place), message)


def _declared_names(processor: Processor) -> set[str]:
    schema = processor.params_schema
    reference = str(schema.get("$ref", "")).removeprefix("#/$defs/")
    target: Mapping[str, Any] = schema.get("$defs", {}).get(reference, schema)
    return set(target.get("properties", {}))


def find_refusal(values: Mapping[str, Any], type_: type) -> tuple[Path, str] | None:
    """Makes them once as the worker will, for a type knows more than its schema tells.

    Gives where and why it refuses.
    """
    try:
        msgspec.convert(values, type=type_)
    except msgspec.ValidationError as error:
        text = str(error)
        found = _PLACE.search(text)
        return (_read_place(found["place"]), text[: found.start()]) if found else ((), text)
    # A `__post_init__` is a plugin's code and may raise anything.
    except Exception as error:  # noqa: BLE001
        return (), f"{type(error).__name__}: {error}"
    return None


def _read_place(text: str) -> Path:
    return tuple(name or int(index) for name, index in _STEP.findall(text))
