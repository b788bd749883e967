"""Validators that make the validator of each part of a schema once, not for every value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator


def keep_parts(validator_class: Any) -> Any:
    """Changes a class of validators so; for schemas that are never let go and hold no `$ref`."""
    make = validator_class.evolve
    kept: dict[int, Validator] = {}

    def evolve(self: Validator, *, schema: Any) -> Validator:
        validator = kept.get(id(schema))
        if validator is None:
            validator = kept[id(schema)] = make(self, schema=schema)
        return validator

    def descend(
        self: Validator,
        instance: Any,
        schema: Any,
        path: str | int | None = None,
        schema_path: str | int | None = None,
    ) -> Iterator[ValidationError]:
        for error in self.evolve(schema=schema).iter_errors(instance):
            if path is not None:
                error.path.appendleft(path)
            if schema_path is not None:
                error.schema_path.appendleft(schema_path)
            yield error

    validator_class.evolve, validator_class.descend = evolve, descend
    return validator_class
