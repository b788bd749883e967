"""JSON Schemas that a configuration declares."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from toril.config.json_schemas import find_unknown_keywords, find_unusable, metaschema

OFFICIAL = Draft202012Validator(Draft202012Validator.META_SCHEMA)
KEYWORDS = sorted(metaschema().schema["properties"])

VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-1, 2),
        st.sampled_from([0.5, "", "string", "object", "a", "#", "x#", "#/$defs/a", "1a"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(st.sampled_from([*KEYWORDS, "a", "b"]), inner, max_size=3),
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.one_of(VALUES, st.dictionaries(st.sampled_from(KEYWORDS), VALUES, max_size=3)))
def test_our_metaschema_takes_what_the_official_one_takes(schema: Any) -> None:
    assert metaschema().is_valid(schema) == OFFICIAL.is_valid(schema)


PROBES: list[Any] = [
    *[None, True, 0, -1, 1.5, "", "object", "a#b", "1"],
    *[[], [True], [1], ["a"], ["a", "a"], ["object", "array"], ["object", "object"]],
    *[{}, {"a": True}, {"a": 1}, {"a": ["b"]}, {"a": ["b", "b"]}, {"a": {}}, {"type": 1}],
]


@pytest.mark.parametrize("keyword", KEYWORDS)
def test_our_metaschema_takes_the_same_under_every_keyword(keyword: str) -> None:
    ours = [value for value in PROBES if metaschema().is_valid({keyword: value})]
    theirs = [value for value in PROBES if OFFICIAL.is_valid({keyword: value})]

    assert ours == theirs


def test_our_metaschema_knows_every_keyword() -> None:
    official: set[str] = set(Draft202012Validator.META_SCHEMA["properties"])
    for uri in Draft202012Validator.META_SCHEMA["allOf"]:
        resource = OFFICIAL._resolver.lookup("https://json-schema.org/draft/2020-12/" + uri["$ref"])
        official |= set(resource.contents.get("properties", ()))

    assert set(KEYWORDS) == official - {"$recursiveAnchor", "$recursiveRef"}


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {},
        {"$ref": "#/$defs/a", "$defs": {"a": {"type": "string"}}},
        {"$ref": "#here", "$defs": {"a": {"$anchor": "here"}}},
        {"properties": {"next": {"$ref": "#"}}},
        {"$schema": "https://json-schema.org/draft/2020-12/schema"},
        {"properties": {"$ref": {"type": "string"}, "pattern": {"pattern": "^a$"}}},
        {"default": {"$ref": "nowhere"}, "const": {"pattern": "("}},
        {"pattern": "[[a]"},
    ],
)
def test_schemas_that_can_be_used(schema: Any) -> None:
    assert metaschema().is_valid(schema)
    assert list(find_unusable(schema)) == []


def test_words_that_are_no_keywords_are_found_at_any_depth() -> None:
    schema = {
        "user": "string",
        "x-note": 1,
        "examples": [],
        "properties": {"user": {"typ": "string"}},
    }

    found = {misfit.path: misfit.hint for misfit in find_unknown_keywords(schema)}

    assert found == {
        ("user",): "write properties: {user: ...} if it names a key of the data",
        ("properties", "user", "typ"): "did you mean 'type'?",
    }
