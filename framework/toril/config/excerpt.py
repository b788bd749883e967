"""The excerpt below a problem: the line, a caret under what is meant, the hint."""

from __future__ import annotations

import unicodedata
from typing import Protocol

#: Longer lines are cut around the caret.
MAX_WIDTH = 100
#: How much of a cut line stands before the caret.
_LEAD = 30


class Excerpted(Protocol):
    """What an excerpt is made of."""

    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def excerpt(self) -> str: ...
    @property
    def hint(self) -> str | None: ...


def format_excerpt(problem: Excerpted) -> str:
    """Writes two lines: the source line, and carets with the hint behind them."""
    text, start, width = _cut(make_printable(problem.excerpt), problem.column - 1, problem.width)
    pad = " " * _columns(text[:start])
    carets = "^" * max(_columns(text[start : start + width]), 1)
    hint = f" hint: {problem.hint}" if problem.hint else ""
    return f"{problem.line:>5} | {text}\n      | {pad}{carets}{hint}"


def make_printable(text: str) -> str:
    """Makes each character one that a terminal shows: white space is a blank, a control a mark."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else " " if c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text
    )


def _cut(text: str, start: int, width: int) -> tuple[str, int, int]:
    width = min(width, max(len(text) - start, 1))
    if len(text) <= MAX_WIDTH:
        return text, start, width
    first = max(0, min(start - _LEAD, len(text) - MAX_WIDTH))
    piece = text[first : first + MAX_WIDTH]
    if first > 0:
        piece = "…" + piece[1:]
    if first + MAX_WIDTH < len(text):
        piece = piece[:-1] + "…"
    return piece, start - first, min(width, MAX_WIDTH - (start - first))


def _columns(text: str) -> int:
    """Counts terminal columns: wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )
