"""Words what jsonschema found: `expected WHAT, got VALUE`, with a hint where one helps."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from jsonschema.exceptions import ValidationError

SECRET = "secret://"
_LATER = "{} is not available in this version of Toril"
_SHOWN = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Misfit:
    """One thing that does not fit its schema; `path` leads to it from the checked value."""

    code: str
    path: tuple[str | int, ...]
    #: The sentence, with `{got}` for the value and `{where}` for its place.
    template: str
    got: str = ""
    hint: str | None = None
    at_key: bool = False

    def sentence(self, where: str, variable: str | None = None) -> str:
        """Writes the sentence; a value that a variable gave is not shown, it may be secret."""
        got = f"the value of {variable}" if variable else self.got
        place = where or "the file"
        return self.template.replace("{where}", place).replace("{got}", got)


def describe_errors(errors: Iterable[ValidationError]) -> Iterator[Misfit]:
    """Words all errors of one check; of several at one value that say the same, one."""
    seen = set()
    for error in errors:
        for misfit in _describe(error):
            key = (misfit.path, misfit.template)
            if key not in seen:
                seen.add(key)
                yield misfit


def show_value(value: Any) -> str:
    """Writes a value as YAML's readers know it, shortened."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a map" if value else "an empty map"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    if isinstance(value, str):
        return repr(value if len(value) <= _SHOWN else value[:_SHOWN] + "…")
    return json.dumps(value)


def _describe(error: ValidationError) -> Iterator[Misfit]:
    if "propertyNames" in error.absolute_schema_path:
        yield _describe_name(error)
    elif error.validator in ("additionalProperties", "unevaluatedProperties"):
        yield from _describe_extra_keys(error)
    elif error.validator == "required":
        yield from _describe_missing_keys(error)
    elif error.validator in ("anyOf", "oneOf") and (inner := _closest(error)):
        for one in inner:
            yield from _describe(one)
    else:
        yield _describe_value(error)


def _describe_name(error: ValidationError) -> Misfit:
    name = str(error.instance)
    return Misfit(
        code="T117",
        path=(*error.absolute_path, name),
        template=f"expected {_wanted(error)}, got {{got}}",
        got=show_value(name),
        at_key=True,
    )


def _describe_extra_keys(error: ValidationError) -> Iterator[Misfit]:
    known = list(error.schema.get("properties", ()))
    later = error.schema.get("x-later", ())
    place = _dotted_in(error)
    for key in error.instance:
        if key in known or key.startswith("x-"):
            continue
        path = (*error.absolute_path, key)
        if key in later:
            sentence = _LATER.format(repr(key))
            yield Misfit(code="T111", path=path, template=sentence, at_key=True)
            continue
        hint = suggest(key, known) or _HOMES.get(key) if known else None
        sentence = f"unknown key {key!r}{place}"
        yield Misfit(code="T104", path=path, template=sentence, hint=hint, at_key=True)


#: Keys that are known, but elsewhere.
_HOMES = {
    **dict.fromkeys(
        ("version", "project", "redis", "plugins", "defaults"), "it belongs into toril.yaml"
    ),
    **dict.fromkeys(("attempts", "backoff", "on", "never_on"), "it belongs under 'retry'"),
}


def suggest(name: str, known: Iterable[str]) -> str | None:
    """Gives the hint for a name that is not known."""
    known = list(known)
    close = get_close_matches(name, known, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    folded = {other.replace("_", "").replace("-", "").lower(): other for other in known}
    same = folded.get(name.replace("_", "").replace("-", "").lower())
    return f"did you mean {same!r}?" if same else None


def _describe_missing_keys(error: ValidationError) -> Iterator[Misfit]:
    # jsonschema gives one error for each missing key, but does not name it apart from the text.
    missing = [key for key in error.validator_value if error.message.startswith(f"{key!r} ")]
    place = _dotted_in(error)
    for key in missing:
        wanted = error.schema.get("properties", {}).get(key, {}).get("x-expected")
        yield Misfit(
            code="T105",
            path=tuple(error.absolute_path),
            template=f"missing key {key!r}{place}",
            hint=f"add `{key}: ...`, {wanted}" if wanted else f"add `{key}: ...`",
            at_key=True,
        )


def _describe_value(error: ValidationError) -> Misfit:
    value = error.instance
    if _is_later(error):
        sentence = _LATER.format(repr(value))
        return Misfit(code="T111", path=tuple(error.absolute_path), template=sentence)
    wanted = _wanted(error)
    return Misfit(
        code="T103",
        path=tuple(error.absolute_path),
        template=f"expected {wanted}, got {{got}}"
        + (" for {where}" if error.absolute_path else ""),
        got=_got(error),
        hint=_hint(error),
    )


def _is_later(error: ValidationError) -> bool:
    value, schema = error.instance, error.schema
    if not isinstance(value, str) or not isinstance(schema, Mapping):
        return False
    if value.startswith(tuple(schema.get("x-later-prefixes", ()))):
        return True
    return error.validator == "enum" and value in schema.get("x-later", ())


def _wanted(error: ValidationError) -> str:
    """Says what the schema wants, by its own words if it has some."""
    schema = error.schema if isinstance(error.schema, Mapping) else {}
    if error.validator == "x-unit":
        return str(error.message)
    if error.validator == "enum":
        return str(schema.get("x-expected") or _one_of(error.validator_value))
    if "x-expected" in schema and error.validator in _WORDED:
        return str(schema["x-expected"])
    word = _WORDS.get(str(error.validator))
    return word(error.validator_value) if word else f"what fits {error.validator!r}"


#: Keywords that `x-expected` speaks of.
_WORDED = frozenset(
    {"type", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "minProperties"}
)


def _one_of(values: list[Any]) -> str:
    shown = [show_value(value) for value in values]
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
    "const": lambda value: show_value(value),
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
    "contains": lambda _: "a list with a certain item",
    "not": lambda _: "something else",
    "anyOf": lambda _: "what fits one of the alternatives",
    "oneOf": lambda _: "what fits exactly one of the alternatives",
    "dependentRequired": lambda _: "keys that belong together",
    "False schema": lambda _: "nothing here",
}


def _got(error: ValidationError) -> str:
    value = error.instance
    if error.validator in ("minLength", "maxLength") and value:
        return f"{len(value)}"
    if error.validator in ("minItems", "maxItems", "minProperties", "maxProperties") and value:
        return f"{len(value)}"
    if error.validator == "uniqueItems":
        return f"{show_value(_first_double(value))} twice"
    return show_value(value)


def _first_double(items: list[Any]) -> Any:
    return next(item for i, item in enumerate(items) if item in items[:i])


def _hint(error: ValidationError) -> str | None:
    value, schema = error.instance, error.schema
    if error.validator == "enum":
        return (
            suggest(value, [v for v in error.validator_value if isinstance(v, str)])
            if isinstance(value, str)
            else None
        )
    expected = str(schema.get("x-expected", "")) if isinstance(schema, Mapping) else ""
    if type(value) is int and expected.startswith(("a duration", "a list of durations")):
        return f"add a unit: {value}s"
    if type(value) is int and expected.startswith("a size"):
        return f"add a unit: {value}b"
    if error.validator != "type" or not isinstance(value, str):
        return None
    types = (
        error.validator_value
        if isinstance(error.validator_value, list)
        else [error.validator_value]
    )
    if "boolean" in types and value.lower() in _BOOLEANS:
        return f"write {_BOOLEANS[value.lower()]}"
    if value.isdecimal() and {"integer", "number"} & set(types):
        return "remove the quotes, and zeros in front"
    return None


_BOOLEANS = {"on": "true", "yes": "true", "y": "true", "off": "false", "no": "false", "n": "false"}


def _closest(error: ValidationError) -> list[ValidationError]:
    """Gives the errors of the alternative that was meant: the one whose type fits the value."""
    branches: dict[Any, list[ValidationError]] = {}
    for inner in error.context or ():
        branches.setdefault(inner.schema_path[0], []).append(inner)
    fitting = [
        found
        for found in branches.values()
        if not any(e.validator in ("type", "enum", "const") and not e.path for e in found)
    ]
    return fitting[0] if len(fitting) == 1 else []


def _dotted_in(error: ValidationError) -> str:
    return " in {where}" if error.absolute_path else ""
