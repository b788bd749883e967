"""Finds what is wrong with a JSON Schema that a configuration declares.

Beside what the metaschema of 2020-12 says, a schema is refused that could not be used later: one of
another draft, references that lead out of it or nowhere, patterns that are no regular expressions.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from toril.config.kept_parts import keep_parts
from toril.config.misfit import Misfit
from toril.config.schema_files import load_schema
from toril.config.suggestions import suggest

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_MAPS = ("properties", "patternProperties", "$defs", "dependentSchemas")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_SINGLE = (
    *("items", "additionalProperties", "not", "if", "then", "else", "contains"),
    *("propertyNames", "unevaluatedItems", "unevaluatedProperties"),
)
Path = tuple[str | int, ...]

_Metaschema = keep_parts(extend(Draft202012Validator))  # type: ignore[no-untyped-call]


@cache
def metaschema() -> Validator:
    """Gives the validator of schemas themselves."""
    return _Metaschema(load_schema("parts/json_schema.json"))  # type: ignore[no-any-return]


def find_unknown_keywords(schema: Any) -> Iterator[Misfit]:
    """Gives keywords of a usable schema that mean nothing: they would be ignored."""
    if not isinstance(schema, Mapping):
        return
    # Drafts before 2019 had `dependencies`; 2020-12 does not look at it.
    known = set(load_schema("parts/json_schema.json")["properties"]) - {"dependencies"}
    for path, part in _walk(schema, ()):
        for keyword in part:
            if keyword in known or keyword.startswith("x-"):
                continue
            sentence = f"{keyword!r} has no effect: it is no keyword of JSON Schema"
            fallback = f"write properties: {{{keyword}: ...}} if it names a key of the data"
            hint = suggest(keyword, known, cutoff=0.8) or fallback
            yield Misfit(
                code="T212", path=(*path, keyword), template=sentence, hint=hint, at_key=True
            )


def find_unusable(schema: Any) -> Iterator[Misfit]:
    """Gives what could not be used of a schema that fits the metaschema."""
    if not isinstance(schema, Mapping):
        return
    references = _References(schema)
    parts = list(_find_in(schema, (), references))
    yield from parts
    if not parts and references.were_used:
        yield from _find_circle(schema)


class _References:
    """Says whether a reference leads somewhere inside the schema."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        registry: Registry[Any] = Registry()
        self.were_used = False
        self._resolver = registry.resolver_with_root(DRAFT202012.create_resource(schema))

    def leads_somewhere(self, reference: str) -> bool:
        self.were_used = True
        try:
            self._resolver.lookup(reference)
        except Unresolvable:
            return False
        return True


def _find_in(schema: Any, path: Path, references: _References) -> Iterator[Misfit]:
    for where, part in _walk(schema, path):
        yield from _check_dialect(part, where)
        yield from _check_references(part, where, references)
        yield from _check_patterns(part, where)


def _walk(schema: Any, path: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Gives a schema and all schemas inside it."""
    if not isinstance(schema, Mapping):
        return
    yield path, schema
    for keyword in schema:
        inner = schema[keyword]
        if keyword in _SINGLE:
            yield from _walk(inner, (*path, keyword))
        elif keyword in _MAPS:
            for name, part in inner.items():
                yield from _walk(part, (*path, keyword, name))
        elif keyword in _LISTS:
            for index, part in enumerate(inner):
                yield from _walk(part, (*path, keyword, index))


def _check_dialect(schema: Mapping[str, Any], path: Path) -> Iterator[Misfit]:
    dialect = schema.get("$schema", DIALECT)
    if dialect.rstrip("#") != DIALECT:
        sentence = f"expected JSON Schema 2020-12, got {dialect!r}"
        hint = f"remove '$schema', or write {DIALECT}"
        yield Misfit(code="T116", path=(*path, "$schema"), template=sentence, hint=hint)


def _check_references(
    schema: Mapping[str, Any], path: Path, references: _References
) -> Iterator[Misfit]:
    for keyword in ("$ref", "$dynamicRef"):
        reference = schema.get(keyword)
        if reference is None:
            continue
        where = (*path, keyword)
        if not reference.startswith("#"):
            sentence = f"reference {reference!r} leads out of the schema"
            hint = "put what it means under $defs and write #/$defs/NAME"
            yield Misfit(code="T116", path=where, template=sentence, hint=hint)
        elif not references.leads_somewhere(reference):
            sentence = f"reference {reference!r} leads nowhere"
            yield Misfit(code="T116", path=where, template=sentence)


def _check_patterns(schema: Mapping[str, Any], path: Path) -> Iterator[Misfit]:
    patterns = [(schema["pattern"], (*path, "pattern"))] if "pattern" in schema else []
    named = schema.get("patternProperties", {})
    patterns += [(pattern, (*path, "patternProperties", pattern)) for pattern in named]
    for pattern, where in patterns:
        try:
            with warnings.catch_warnings():
                # What may mean something else one day is right today.
                warnings.simplefilter("ignore", FutureWarning)
                re.compile(pattern)
        except re.error as error:
            sentence = f"expected a regular expression, got {pattern!r}: {error}"
            at_key = where[-2] == "patternProperties"
            yield Misfit(code="T116", path=where, template=sentence, at_key=at_key)


def _find_circle(schema: Mapping[str, Any]) -> Iterator[Misfit]:
    """A schema that refers to itself without going deeper into the data never ends."""
    try:
        values: tuple[Any, ...] = ({}, [], "", 0)
        for value in values:
            Draft202012Validator(schema, registry=Registry()).is_valid(value)
    except RecursionError:
        yield Misfit(code="T116", path=(), template="the schema refers to itself without end")
