"""Words what jsonschema found: `expected WHAT, got VALUE`, with a hint where one helps."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jsonschema.exceptions import ValidationError

from toril.config.foreign_words import explain_key
from toril.config.misfit import Misfit, show_literal, show_value
from toril.config.suggestions import suggest
from toril.config.value_hints import hint_at

_LATER = "{} is not available in this version of Toril"


@dataclass(frozen=True, slots=True)
class _Finding:
    """What jsonschema found, with every part of a certain type."""

    keyword: str
    #: What the keyword says, and the schema it stands in.
    wanted: Any
    schema: Mapping[str, Any]
    value: Any
    path: tuple[str | int, ...]
    is_name: bool
    message: str
    context: Sequence[ValidationError]

    @classmethod
    def of(cls, error: ValidationError) -> _Finding:
        return cls(
            keyword=str(error.validator),
            wanted=error.validator_value,
            schema=error.schema if isinstance(error.schema, Mapping) else {},
            value=error.instance,
            path=tuple(error.absolute_path),
            is_name="propertyNames" in error.absolute_schema_path,
            message=error.message,
            context=error.context or (),
        )

    @property
    def types(self) -> list[str]:
        return self.wanted if isinstance(self.wanted, list) else [self.wanted]


def describe_errors(errors: Iterable[ValidationError]) -> Iterator[Misfit]:
    """Words all errors of one check; of several at one value that say the same, one."""
    seen = set()
    for error in errors:
        for misfit in _describe(_Finding.of(error)):
            key = (misfit.path, misfit.template)
            if key not in seen:
                seen.add(key)
                yield misfit


def _describe(found: _Finding) -> Iterator[Misfit]:
    if found.is_name:
        yield _describe_name(found)
    elif found.keyword in ("additionalProperties", "unevaluatedProperties"):
        yield from _describe_extra_keys(found)
    elif found.keyword == "required":
        yield _describe_missing_key(found)
    elif found.keyword in ("anyOf", "oneOf") and (inner := _closest(found)):
        for one in inner:
            yield from _describe(_Finding.of(one))
    else:
        yield _describe_value(found)


def _describe_name(found: _Finding) -> Misfit:
    name = str(found.value)
    return Misfit(
        code="T117",
        path=(*found.path, name),
        template=f"expected {_wanted(found)}, got {{got}}{{in}}",
        got=show_value(name),
        place=found.path,
        at_key=True,
    )


def _describe_extra_keys(found: _Finding) -> Iterator[Misfit]:
    known = list(found.schema.get("properties", ()))
    later = found.schema.get("x-later", ())
    patterns = list(found.schema.get("patternProperties", ()))
    for key in found.value:
        if key in known or any(re.search(pattern, key) for pattern in patterns):
            continue
        path = (*found.path, key)
        if key in later:
            sentence = _LATER.format(repr(key))
            yield Misfit(code="T111", path=path, template=sentence, at_key=True)
            continue
        yield Misfit(
            code="T104",
            path=path,
            template=f"unknown key {key!r}{{in}}",
            place=found.path,
            hint=explain_key(key, known, later) or suggest(key, known),
            at_key=True,
        )


def _describe_missing_key(found: _Finding) -> Misfit:
    # jsonschema reports each missing key by itself, but names it in its message only.
    key = next(key for key in found.wanted if found.message.startswith(f"{key!r} "))
    return Misfit(
        code="T105",
        path=found.path,
        template=f"missing key {key!r}{{in}}",
        place=found.path,
        hint=f"add `{key}: {_only_value(found, key)}`",
        at_key=True,
    )


def _only_value(found: _Finding, key: str) -> str:
    """Gives the one value that a key can have; `...` if there are several."""
    properties = found.schema.get("properties", {})
    schema = properties.get(key) if isinstance(properties, Mapping) else None
    values: Sequence[Any] = schema.get("enum", ()) if isinstance(schema, Mapping) else ()
    return show_literal(values[0]) if len(values) == 1 else "..."


def _describe_value(found: _Finding) -> Misfit:
    later = _find_later(found)
    if later is not None:
        sentence = _LATER.format(repr(later))
        return Misfit(code="T111", path=found.path, template=sentence)
    return Misfit(
        path=found.path,
        template=f"expected {_wanted(found)}, got {{got}}{{for}}",
        got=_got(found),
        place=found.path,
        hint=_hint(found),
    )


def _find_later(found: _Finding) -> str | None:
    """Gives what of a value a later version takes, or None."""
    value = found.value
    if not isinstance(value, str):
        return None
    prefixes = found.schema.get("x-later-prefixes", ())
    if found.keyword == "enum" and value in found.schema.get("x-later", ()):
        return value
    return next((prefix for prefix in prefixes if value.startswith(prefix)), None)


#: Keywords that `x-expected` speaks of.
_WORDED = frozenset(
    {
        *("type", "enum", "pattern", "minimum", "maximum", "exclusiveMinimum"),
        *("minLength", "maxLength", "minItems", "minProperties"),
    }
)


def _wanted(found: _Finding) -> str:
    """Says what the schema wants, by its own words if it has some."""
    if found.keyword == "x-unit":
        return found.message
    if "x-expected" in found.schema and found.keyword in _WORDED:
        return str(found.schema["x-expected"])
    if found.keyword in ("anyOf", "oneOf") and (types := _types_of_all(found)):
        return _types(types)
    word = _WORDS.get(found.keyword)
    return word(found.wanted) if word else f"what fits {found.keyword!r}"


def _one_of(values: list[Any]) -> str:
    shown = [show_literal(value) for value in values]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"


_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a map",
    "array": "a list",
    "null": "nothing",
}


def _types(wanted: str | list[str]) -> str:
    names = [wanted] if isinstance(wanted, str) else wanted
    return " or ".join(_TYPES.get(name, name) for name in names)


def _count(noun: str, bound: str) -> Callable[[int], str]:
    return lambda n: f"{bound} {n} {noun}{'' if n == 1 else 's'}"


_WORDS: dict[str, Callable[[Any], str]] = {
    "type": _types,
    "enum": _one_of,
    "const": show_literal,
    "pattern": lambda pattern: f"text that matches {pattern}",
    "format": lambda name: f"text in the format {name!r}",
    "minimum": lambda n: f"a number from {n}",
    "maximum": lambda n: f"a number up to {n}",
    "exclusiveMinimum": lambda n: f"a number above {n}",
    "exclusiveMaximum": lambda n: f"a number below {n}",
    "multipleOf": lambda n: f"a multiple of {n}",
    "minLength": _count("character", "at least"),
    "maxLength": _count("character", "at most"),
    "minItems": _count("item", "at least"),
    "maxItems": _count("item", "at most"),
    "minProperties": _count("key", "at least"),
    "maxProperties": _count("key", "at most"),
    "uniqueItems": lambda _: "a list without repetitions",
    "contains": lambda _: "a list with an item of another kind",
    "not": lambda _: "something else",
    "anyOf": lambda _: "what fits one of several alternatives",
    "oneOf": lambda _: "what fits exactly one of several alternatives",
    "dependentRequired": lambda _: "keys that belong together",
    "None": lambda _: "nothing here",
}


def _got(found: _Finding) -> str:
    value = found.value
    if found.keyword == "uniqueItems":
        return f"{show_value(_first_double(value))} twice"
    counted = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
    if found.keyword in counted and value:
        return str(len(value))
    return show_value(value)


def _first_double(items: list[Any]) -> Any:
    return next(item for i, item in enumerate(items) if item in items[:i])


def _hint(found: _Finding) -> str | None:
    value = found.value
    if found.keyword == "enum" and isinstance(value, str):
        return suggest(value, [known for known in found.wanted if isinstance(known, str)])
    if found.keyword not in ("type", "pattern"):
        return None
    key = str(next(reversed(found.path), ""))
    types = found.types if found.keyword == "type" else ()
    return hint_at(value, wanted=_wanted(found), types=types, key=key)


def _types_of_all(found: _Finding) -> list[str]:
    """Gives the types that the alternatives want, if no more than that keeps the value out."""
    inner = [_Finding.of(error) for error in found.context]
    if any(one.keyword != "type" or one.path != found.path for one in inner):
        return []
    return [name for one in inner for name in one.types]


def _closest(found: _Finding) -> list[ValidationError]:
    """Gives the errors of the alternative that was meant: the one whose type fits the value."""
    branches: dict[Any, list[ValidationError]] = {}
    for inner in found.context:
        branches.setdefault(inner.schema_path[0], []).append(inner)
    fitting = [
        errors
        for errors in branches.values()
        if not any(e.validator in ("type", "enum", "const") and not e.path for e in errors)
    ]
    return fitting[0] if len(fitting) == 1 else []
