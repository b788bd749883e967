"""What is typed as a job's data or a flow's inputs: `key=value` words and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NoReturn

import click


def parse_data(words: Sequence[str], text: str | None) -> Any:
    """Makes data of `key=value` words and of `--data JSON`; words are set over the object.

    A value is JSON if it reads as JSON, else text: `n=3 ok=true name=Ada id='"3"'`. Without words
    and text it is `{}`. Raises a usage error for what cannot be read.
    """
    pairs = parse_pairs(words)
    if text is None:
        return pairs
    data = _parse_json(text)
    if pairs and not isinstance(data, dict):
        raise click.UsageError(f"key=value needs an object in --data, got {text}")
    return {**data, **pairs} if pairs else data


def parse_pairs(words: Sequence[str]) -> dict[str, Any]:
    """Reads `key=value` words; a key that comes twice is refused."""
    pairs: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise click.UsageError(f"expected key=value, got {word!r}")
        if key in pairs:
            raise click.UsageError(f"{key!r} is given twice")
        pairs[key] = parse_value(value)
    return pairs


def parse_value(text: str) -> Any:
    """Reads a value as JSON if it is JSON, else as text."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return text


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"--data is not JSON: {error}") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
