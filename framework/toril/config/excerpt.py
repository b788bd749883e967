"""The excerpt below a problem: the line, a caret under what is meant, the hint."""

from __future__ import annotations

import unicodedata
from typing import Protocol

#: Longer lines are cut around the caret.
MAX_WIDTH = 100
MIN_WIDTH = 20
#: What stands before a line: its number, a bar.
_MARGIN = "      | "


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


def format_excerpt(problem: Excerpted, columns: int | None = None) -> str:
    """Writes two lines: the source line, and carets with the hint behind them.

    On a terminal of so many columns the hint has a line of its own where it does not fit.
    """
    most = MAX_WIDTH if columns is None else max(min(MAX_WIDTH, columns - len(_MARGIN)), MIN_WIDTH)
    source = make_printable(problem.excerpt)
    text, start, width = _cut(source, problem.column - 1, problem.width, most)
    pad = " " * _columns(text[:start])
    carets = "^" * max(_columns(text[start : start + width]), 1)
    lines = [f"{problem.line:>5} | {text}", f"{_MARGIN}{pad}{carets}"]
    if problem.hint:
        hint = f" hint: {problem.hint}"
        if columns is not None and len(lines[1] + hint) > columns:
            lines.append(f"{_MARGIN.rstrip()}{hint}")
        else:
            lines[1] += hint
    return "\n".join(lines)


def make_printable(text: str) -> str:
    """Makes each character one that a terminal shows: white space is a blank, a control a mark."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else " " if c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text
    )


def _cut(text: str, start: int, width: int, most: int) -> tuple[str, int, int]:
    """Cuts a line to the most characters; a third of them stands before the caret."""
    width = min(width, max(len(text) - start, 1))
    if len(text) <= most:
        return text, start, width
    first = max(0, min(start - most * 3 // 10, len(text) - most))
    piece = text[first : first + most]
    if first > 0:
        piece = "…" + piece[1:]
    if first + most < len(text):
        piece = piece[:-1] + "…"
    return piece, start - first, min(width, most - (start - first))


def _columns(text: str) -> int:
    """Counts terminal columns: wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )
