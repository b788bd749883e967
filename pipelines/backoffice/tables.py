"""HTML tables for the report, and how its numbers are written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def draw_table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, text: int = 1) -> str:
    """Draws a table of cells that are HTML already; the first `text` columns hold words."""
    classes = [' class="text"' if i < text else "" for i in range(len(headings))]
    head = "".join(f"<th{c}>{escape(h)}</th>" for c, h in zip(classes, headings, strict=True))
    body = "\n".join(
        "<tr>"
        + "".join(f"<td{c}>{cell}</td>" for c, cell in zip(classes, row, strict=True))
        + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><tr>{head}</tr>\n{body}</table></div>'


def format_money(amount: float) -> str:
    """Writes dollars and cents."""
    return f"{amount:,.2f}"


def format_percent(share: float) -> str:
    """Writes a share of 1 as a percentage."""
    return f"{share:.1%}".replace("-", "\N{MINUS SIGN}")


def format_change(share: float) -> str:
    """Writes a gain or loss as a signed percentage, coloured."""
    return _color(share, f"{share:+,.1%}")


def format_gain(amount: float, *, cents: int = 2) -> str:
    """Writes a gain or loss of money, signed and coloured; `cents` is how many digits they get."""
    return _color(amount, f"{amount:+,.{cents}f}")


def _color(number: float, text: str) -> str:
    name = "up" if number >= 0 else "down"
    return f'<span class="{name}">{text.replace("-", chr(0x2212))}</span>'
