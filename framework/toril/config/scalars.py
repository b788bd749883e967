"""What a YAML scalar means: YAML 1.2's core rules, decimal numbers only.

`on`, `no`, `12:30`, `0755`, `0x1f`, dates and `.inf` stay strings.
"""

from __future__ import annotations

import re

Scalar = str | int | float | bool | None

_CONSTANTS: dict[str, bool | None] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_integer = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_decimal = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
#: A number of more digits is text: no double holds it, and converting it takes long.
_MAX_DIGITS = 300


def type_scalar(text: str) -> Scalar:
    """Gives the value of a scalar that is written without quotes."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] not in "-+.0123456789" or len(text) > _MAX_DIGITS:
        return text
    if _integer.fullmatch(text):
        return int(text)
    if _decimal.fullmatch(text):
        number = float(text)
        return text if number in (float("inf"), float("-inf")) else number
    return text


def type_tagged(text: str, tag: str) -> Scalar:
    """Gives the value of a scalar under a core tag; raises ValueError if it is not of that type."""
    if tag == "str":
        return text
    value = type_scalar(text)
    if tag == "float" and type(value) is int:
        return float(value)
    if type(value).__name__.removesuffix("Type").lower().removesuffix("none") != _bare(tag):
        raise ValueError(f"expected a value of type {tag}, got {text!r}")
    return value


def _bare(tag: str) -> str:
    return "" if tag == "null" else tag
