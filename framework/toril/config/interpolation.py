"""Fills in `${VAR}` when the configuration is loaded, as Compose does.

`${VAR}`, `${VAR:-default}` (unset or empty), `${VAR:?message}` (unset or empty is a problem), and
`$$` for one `$`. What stands in `${{ }}` is an expression of run time and is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from toril.declarations.expression import find_close

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FORMS = "${VAR}, ${VAR:-default} or ${VAR:?message}"
_LITERAL_OPEN = "${{ '${{' }}"
#: `${A:-${B:-...}}` may go so deep.
_MAX_NESTING = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """What is wrong with a reference, and where in the scalar it stands."""

    code: str
    offset: int
    width: int
    message: str
    hint: str | None = None


@dataclass(kw_only=True, slots=True)
class Interpolation:
    """A scalar with its variables filled in."""

    text: str
    faults: list[Fault] = field(default_factory=list)
    #: Where each `${{ }}` stands in the scalar as it was written: offset and width.
    expressions: list[tuple[int, int]] = field(default_factory=list)
    #: The whole scalar is one reference, so its value may be typed where a number is wanted.
    is_whole: bool = False


def interpolate(
    text: str, environ: Mapping[str, str], *, keep_escapes: bool = False
) -> Interpolation:
    """Fills in the variables of a scalar.

    `keep_escapes` writes `$${{` as an expression that gives the text `${{`, for whoever reads the
    expressions later.
    """
    result = Interpolation(text="")
    pieces: list[str] = []
    at = 0
    while (dollar := text.find("$", at)) >= 0:
        pieces.append(text[at:dollar])
        piece, at = _read_dollar(text, dollar, environ, result, keep_escapes)
        pieces.append(piece)
        if dollar == 0 and at == len(text) and text.startswith("${") and not result.expressions:
            result.is_whole = True
    pieces.append(text[at:])
    result.text = "".join(pieces)
    return result


def _read_dollar(
    text: str, at: int, environ: Mapping[str, str], result: Interpolation, keep_escapes: bool
) -> tuple[str, int]:
    """Gives what the `$` at `at` stands for, and where the text goes on."""
    if text.startswith("$${{", at) and keep_escapes:
        return _LITERAL_OPEN, at + 4
    if text.startswith("$$", at):
        return "$", at + 2
    if text.startswith("${{", at):
        end = _find_expression_end(text, at)
        result.expressions.append((at, end - at))
        return text[at:end], end
    if text.startswith("${", at):
        return _read_reference(text, at, environ, result, 1)
    return "$", at + 1


def _find_expression_end(text: str, at: int) -> int:
    """Gives the index behind the `}}` of the expression at `at`; without one, that of the text."""
    close = find_close(text, at + 3)
    return len(text) if close is None else close + 2


def _read_reference(
    text: str, at: int, environ: Mapping[str, str], result: Interpolation, nesting: int
) -> tuple[str, int]:
    end = _find_brace(text, at + 2)
    written = text[at : end + 1]
    name = _NAME.match(text, at + 2)
    rest = text[name.end() : end] if name else ""
    if end < 0 or name is None or (rest and rest[:2] not in (":-", ":?")) or nesting > _MAX_NESTING:
        written = written if end >= 0 else text[at:]
        result.faults.append(_malformed(written, at, closed=end >= 0))
        return written, at + len(written)
    value = environ.get(name.group(), "")
    if value or (not rest and name.group() in environ):
        return value, end + 1
    if rest.startswith(":-"):
        return _read_default(text, name.end() + 2, end, environ, result, nesting), end + 1
    result.faults.append(_missing(name.group(), at, end + 1 - at, rest[2:] if rest else None))
    return "", end + 1


def _read_default(
    text: str, at: int, end: int, environ: Mapping[str, str], result: Interpolation, nesting: int
) -> str:
    pieces = []
    while at < end:
        if text.startswith("$$", at):
            piece, at = "$", at + 2
        elif text.startswith("${", at):
            piece, at = _read_reference(text, at, environ, result, nesting + 1)
        else:
            piece, at = text[at], at + 1
        pieces.append(piece)
    return "".join(pieces)


def _find_brace(text: str, at: int) -> int:
    """Gives the index of the `}` that closes a reference, over those it holds; -1 for none."""
    depth = 0
    for index in range(at, len(text)):
        if text.startswith("${", index):
            depth += 1
        elif text[index] == "}":
            if depth == 0:
                return index
            depth -= 1
    return -1


def _malformed(written: str, at: int, *, closed: bool) -> Fault:
    got = repr(written) if closed else f"{written!r} without its '}}'"
    return Fault(
        code="T403",
        offset=at,
        width=len(written),
        message=f"expected {_FORMS}, got {got}",
        hint="write $$ for a single $",
    )


def _missing(name: str, at: int, width: int, message: str | None) -> Fault:
    if message is None:
        return Fault(
            code="T405",
            offset=at,
            width=width,
            message=f"variable {name!r} is not set; it reads as empty text",
            hint=f"set it, or write ${{{name}:-default}}",
        )
    told = f": {message}" if message else ""
    return Fault(code="T404", offset=at, width=width, message=f"variable {name!r} is not set{told}")
