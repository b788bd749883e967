"""What to write instead of a value that does not fit: the hint of an `expected WHAT, got VALUE`."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

_BOOLEANS = {"on": "true", "yes": "true", "y": "true", "off": "false", "no": "false", "n": "false"}
_DURATION = ("a duration", "a list of durations")
#: `5 minutes`, `30 sec`: clear, but not Toril's way.
_SPOKEN = re.compile(r"(\d+) *(millisecond|second|sec|minute|min|hour|hr|day|week)s?")


def hint_at(value: Any, *, wanted: str, types: Collection[str], key: str) -> str | None:
    """Gives the hint for a value of a wrong type or pattern; None where there is none to give.

    `wanted` is what is said to be expected, `types` are JSON Schema's names of the types that pass,
    `key` is the key that the value stands under.
    """
    if isinstance(value, bool):
        return _hint_at_boolean(value, wanted, key)
    if isinstance(value, int):
        return _hint_at_number(value, wanted, types, key)
    if isinstance(value, str):
        return _hint_at_text(value, wanted, types, key)
    if isinstance(value, list):
        return _hint_at_list(value, wanted)
    return None


def _hint_at_boolean(value: bool, wanted: str, key: str) -> str | None:
    if wanted == "a map with count and age" and not value:
        return "write {count: 0} to keep none"
    if wanted.startswith("a number of attempts") and key == "retry" and not value:
        return "write 1: the first attempt is the only one"
    return None


def _hint_at_number(value: int, wanted: str, types: Collection[str], key: str) -> str | None:
    if wanted.startswith(_DURATION):
        if value >= 1000:
            return f"add a unit: {value}ms is {_seconds(value)}s"
        return f"add a unit: {value}s"
    if wanted.startswith("a size"):
        return f"add a unit: {value}b"
    if wanted == "a map with count and age":
        return f"write {{count: {value}}}"
    if wanted == "a map with completed and failed":
        return f"write {{completed: {{count: {value}}}}}"
    if "string" in types:
        return f'quote it: "{value}"'
    return None


def _seconds(value_ms: int) -> str:
    return f"{value_ms / 1000:.3f}".rstrip("0").rstrip(".")


def _hint_at_text(value: str, wanted: str, types: Collection[str], key: str) -> str | None:
    if re.fullmatch(r"\$[A-Za-z_]\w*", value):
        return f"write ${{{value[1:]}}}"
    if wanted.startswith("a duration"):
        if key == "backoff" and value in ("fixed", "exponential", "linear", "random"):
            return f"write {{type: {value}, delay: 1s}}"
        return _hint_at_spoken(value)
    if "boolean" in types:
        word = _BOOLEANS.get(value.lower())
        return f"write {word}" if word else None
    if value.isdecimal() and {"integer", "number"} & set(types):
        return "write a decimal number without quotes and without zeros in front"
    if re.match(r"[A-Za-z_-]+:\S", value) and "object" in types:
        return "put a blank after ':'"
    if wanted.startswith("a list") and value:
        return f"write [{value}]"
    return None


def _hint_at_spoken(value: str) -> str | None:
    spoken = _SPOKEN.fullmatch(value)
    if spoken is None:
        return None
    unit = "ms" if spoken[2] == "millisecond" else spoken[2][0]
    return f"write {spoken[1]}{unit}"


def _hint_at_list(value: list[Any], wanted: str) -> str | None:
    if wanted.startswith("a map with paths"):
        return "write {paths: [...]}"
    if not wanted.startswith("a map of"):
        return None
    first = value[0] if value else None
    name = first.get("name") if isinstance(first, dict) else None
    if isinstance(name, str):
        return f"write `{name}: ...` instead of `- name: {name}`"
    return "write each as `name: ...`, without '-'"
