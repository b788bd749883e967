"""What scalars mean."""

from __future__ import annotations

import pytest

from toril.config.scalars import type_scalar, type_tagged


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[(word, None) for word in ("", "~", "null", "Null", "NULL")],
        *[(word, True) for word in ("true", "True", "TRUE")],
        *[(word, False) for word in ("false", "False", "FALSE")],
        *[("0", 0), ("12", 12), ("-7", -7), ("+3", 3), ("-0", 0)],
        *[("1.5", 1.5), ("-.5", -0.5), ("1.", 1.0), ("1e3", 1000.0), ("2.5E-1", 0.25)],
    ],
)
def test_the_core_rules_type_constants_and_decimal_numbers(text: str, value: object) -> None:
    typed = type_scalar(text)

    assert typed == value
    assert type(typed) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        *["on", "off", "yes", "no", "y", "n", "On", "NO", "nULL", "tRUE"],
        *["12:30", "0755", "00", "-01", "0x1f", "0o17", "0b1", "1_000", "01.5", "1,5"],
        *["2027-01-01", "2027-01-01T09:00:00", ".inf", "-.Inf", ".nan", "NaN"],
        *["1e999", "9" * 301, ".", "-", "+", "1e", "e5", "--1", "1.2.3", " 1", "١٢"],
    ],
)
def test_everything_else_stays_text(text: str) -> None:
    assert type_scalar(text) == text


@pytest.mark.parametrize(
    ("text", "tag", "value"),
    [
        *[("12", "str", "12"), ("", "str", ""), ("12", "int", 12), ("12", "float", 12.0)],
        *[("true", "bool", True), ("~", "null", None)],
    ],
)
def test_a_core_tag_types_its_scalar(text: str, tag: str, value: object) -> None:
    typed = type_tagged(text, tag)

    assert typed == value
    assert type(typed) is type(value)


@pytest.mark.parametrize(
    ("text", "tag"), [("x", "int"), ("1.5", "int"), ("true", "int"), ("1", "bool"), ("0", "null")]
)
def test_a_core_tag_on_another_kind_of_scalar_is_refused(text: str, tag: str) -> None:
    with pytest.raises(ValueError, match=f"^expected a value of type {tag}, got {text!r}$"):
        type_tagged(text, tag)
