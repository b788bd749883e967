"""What to say when a name is not known: which one was meant, or which ones there are."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_LISTED = 6


def suggest(name: str, known: Iterable[str], *, cutoff: float = 0.65) -> str | None:
    """Gives the hint for a name that is not known, if one is like it by `cutoff` of 1."""
    known = list(known)
    close = get_close_matches(name, known, n=1, cutoff=cutoff)
    if not close:
        close = [other for other in known if _fold(other) == _fold(name)]
    return f"did you mean {close[0]!r}?" if close else None


def _fold(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def list_known(noun: str, names: Iterable[str]) -> str:
    """Writes which names there are."""
    known = sorted(names)
    if not known:
        return f"there is no {noun} at all"
    shown = ", ".join(repr(name) for name in known[:_LISTED])
    return f"known are {shown}{', ...' if len(known) > _LISTED else ''}"
