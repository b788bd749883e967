"""Names that are looked up: what is found under one, or what it was meant to be."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TypeVar

from toril.errors import UnknownName

T = TypeVar("T")

_LISTED = 8


def find_named(kind: str, name: str, declared: Mapping[str, T]) -> T:
    """Gives what is declared under the name; raises UnknownName with a hint if nothing is.

    `kind` is the word for it: `queue`, `job type`, `flow`.
    """
    try:
        return declared[name]
    except KeyError:
        raise describe_unknown(kind, name, declared) from None


def describe_unknown(kind: str, name: str, declared: Mapping[str, object]) -> UnknownName:
    """Makes the error for a name nothing is declared under."""
    close = get_close_matches(name, declared, n=1)
    if close:
        hint = f"did you mean {close[0]!r}?"
    elif not declared:
        hint = "none is declared"
    else:
        names = [repr(known) for known in sorted(declared)[:_LISTED]]
        hint = f"known are {', '.join(names)}{', ...' if len(declared) > _LISTED else ''}"
    return UnknownName(f"no {kind} {name!r}; {hint}", suggestion=close[0] if close else None)
