"""Reads the body of an answer into what a job's result can hold."""

from __future__ import annotations

import json
import math
from typing import Any

import httpx2

#: Whole numbers beyond it would be changed by a reader whose numbers are doubles.
_MOST = 2**53
#: Deeper JSON is kept as text; a result holds 200 levels.
_DEEPEST = 100


def read_body(response: httpx2.Response, body: bytes) -> Any:
    """Gives JSON as its value, and any other body as text.

    Numbers that a result cannot hold become text; JSON that it cannot hold at all is kept as text.
    """
    text = _read_text(response, body)
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        try:
            value = json.loads(
                body, parse_int=_read_integer, parse_float=_read_float, parse_constant=_refuse
            )
            _check(value, 0)
        except (ValueError, RecursionError):
            return text
        return value
    return text


def _read_text(response: httpx2.Response, body: bytes) -> str:
    try:
        return body.decode(response.charset_encoding or "utf-8", errors="replace")
    except LookupError:
        return body.decode("utf-8", errors="replace")


def _read_integer(digits: str) -> int | str:
    # Longer ones are not even read: that takes a time that grows with the square of their length.
    return number if len(digits) < 20 and abs(number := int(digits)) <= _MOST else digits


def _read_float(digits: str) -> float | str:
    number = float(digits)
    return number if math.isfinite(number) else digits


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _check(value: Any, depth: int) -> None:
    """Raises ValueError for text that is no Unicode, and for what is too deep."""
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, dict | list):
        if depth == _DEEPEST:
            raise ValueError("too deep")
        for item in value.values() if isinstance(value, dict) else value:
            _check(item, depth + 1)
        if isinstance(value, dict):
            "".join(value).encode()
