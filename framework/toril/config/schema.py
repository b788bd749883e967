"""Checks values against the JSON Schemas in `schemas/`, and reports what does not fit.

Three keywords are ours: `x-expected` words what is wanted, `x-later` lists what a later version
takes, `x-unit` bounds a duration or size whose pattern fits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Literal

from jsonschema import Draft202012Validator, TypeChecker
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend

from toril.config.document import Document, Path
from toril.config.kept_parts import keep_parts
from toril.config.scalars import type_scalar
from toril.config.schema_files import load_schema
from toril.config.schema_words import describe_errors
from toril.declarations.backoff import MAX_DELAY_MS
from toril.declarations.units import MAX_LIMIT, parse_duration_ms, parse_rate, parse_size

_MAX_SIZE = 512 * 1024**2
#: Retyping one variable may uncover another one below it.
_MAX_ROUNDS = 5


def check_shape(document: Document, kind: Literal["toril", "pipeline"]) -> None:
    """Checks a whole file; whole scalars from variables are typed where a number is wanted."""
    check_value(document, (), document.value, _document_validator(kind))


def check_params(document: Document, path: Path, params: Any, schema: Mapping[str, Any]) -> bool:
    """Checks the `with:` at a path against the processor's schema; tells whether it fits."""
    return check_value(document, path, params, make_params_validator(schema))


def check_value(document: Document, path: Path, value: Any, validator: Validator) -> bool:
    """Checks the value at a path and reports what does not fit; tells whether all does."""
    errors = find_errors(document, path, value, validator)
    for misfit in describe_errors(errors):
        where = (*path, *misfit.path)
        if misfit.at_key or where not in document.unread:
            sentence = misfit.sentence(path, document.variables.get(where))
            document.add(misfit.code, where, sentence, hint=misfit.hint, at_key=misfit.at_key)
        if misfit.is_foreign:
            document.foreign.add(where)
        if misfit.code == "T111" and misfit.at_key:
            # What stands around it is said right, and can be looked into.
            document.bad.add(where)
        else:
            document.mark_bad(where)
    return not errors


def find_errors(
    document: Document, path: Path, value: Any, validator: Validator
) -> list[ValidationError]:
    """Gives what does not fit; scalars from variables are typed in place if that makes them fit."""
    errors: list[ValidationError] = []
    for _ in range(_MAX_ROUNDS):
        errors = list(validator.iter_errors(value))
        if not errors or not _retype(document, path, value, errors):
            break
    return errors


def make_params_validator(schema: Mapping[str, Any]) -> Validator:
    """Makes the validator of a processor's parameters: a `secret://` passes wherever text does."""
    return _ParamsValidator(schema)  # type: ignore[no-any-return]


def _retype(document: Document, path: Path, value: Any, errors: list[ValidationError]) -> bool:
    """Types those variables by YAML's rules where not text is wanted but a number or boolean."""
    changed = False
    for error in errors:
        where = tuple(error.absolute_path)
        if (
            error.validator not in ("type", "anyOf", "enum")
            or (*path, *where) not in document.variables
        ):
            continue
        typed = type_scalar(str(error.instance))
        if typed is None or isinstance(typed, str) or not _is_gone(error, typed):
            continue
        parent = value
        for step in where[:-1]:
            parent = parent[step]
        if where:
            parent[where[-1]] = typed
            del document.variables[(*path, *where)]
            changed = True
    return changed


def _is_gone(error: ValidationError, value: Any) -> bool:
    """Whether the failed keyword takes this value instead."""
    return Draft202012Validator({error.validator: error.validator_value}).is_valid(value)


@cache
def _document_validator(kind: str) -> Validator:
    return _DocumentValidator(load_schema(f"{kind}.json"))  # type: ignore[no-any-return]


def _check_unit(
    _: Validator, unit: str, instance: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    """Bounds what the pattern took: not zero where that makes no sense, not beyond all time."""
    if not isinstance(instance, str):
        return
    parse, largest, shown = _UNITS[unit]
    try:
        number = parse(instance)
    except ValueError:
        # The pattern took a line break at the end, or a number has thousands of digits.
        yield ValidationError(schema["x-expected"])
        return
    if number > largest:
        yield ValidationError(f"at most {shown}")
    if number == 0 and not schema.get("x-zero"):
        yield ValidationError("more than 0")


def _measure_rate(text: str) -> int:
    """Gives the span of a rate in ms; more starts than can be counted make it too large."""
    rate = parse_rate(text)
    return rate.per_ms if rate.count <= MAX_LIMIT else MAX_DELAY_MS + 1


_UNITS = {
    "duration": (parse_duration_ms, MAX_DELAY_MS, "3650d"),
    "size": (parse_size, _MAX_SIZE, "512mb"),
    "rate": (_measure_rate, MAX_DELAY_MS, "2147483648 in at most 3650d"),
}


def _is_integer(_: TypeChecker, value: object) -> bool:
    """1e1 and 10.0 are whole numbers to JSON Schema, but not to what is built of the values."""
    return isinstance(value, int) and not isinstance(value, bool)


_STRICT = Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer)

_DocumentValidator = keep_parts(
    extend(  # type: ignore[no-untyped-call]
        Draft202012Validator, {"x-unit": _check_unit}, type_checker=_STRICT
    )
)


def _unless_secret(keyword: str) -> Any:
    check = Draft202012Validator.VALIDATORS[keyword]

    def check_unless_secret(
        validator: Validator, wanted: Any, instance: Any, schema: Any
    ) -> Iterator[ValidationError]:
        if isinstance(instance, str) and instance.startswith("secret://"):
            return
        yield from check(validator, wanted, instance, schema) or ()

    return check_unless_secret


_ParamsValidator = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {word: _unless_secret(word) for word in ("pattern", "enum", "const", "minLength", "maxLength")},
    type_checker=_STRICT,
)
