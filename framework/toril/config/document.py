"""A file that was read: its nodes, its values, and the way from a value back to its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from toril.config.codes import CODES
from toril.config.expression_places import takes_expressions
from toril.config.interpolation import interpolate
from toril.config.problems import Report, Source
from toril.config.scalars import type_scalar, type_tagged
from toril.config.yaml_nodes import (
    ListNode,
    MapNode,
    Node,
    ScalarNode,
    Span,
    find_key_span,
    find_node,
    find_span,
)

Path = tuple[str | int, ...]

#: Below these keys of an entry the user's own data begins: `x-` means nothing there.
_FREE_KEYS = frozenset({"data", "data_schema", "inputs", "with"})
_undollared = re.compile(r"(?<!\$)\{\{\s*(?:inputs|needs)\b[^{}]*\}\}")


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a scalar's text, as it is read or after variables were filled in."""

    text: str
    offset: int
    width: int


@dataclass(kw_only=True, slots=True)
class Document:
    """One file of the configuration."""

    source: Source
    root: Node
    report: Report
    value: Any = None
    #: Scalars that are one `${VAR}`: path -> how they are written.
    variables: dict[Path, str] = field(default_factory=dict)
    #: Scalars that hold `${{ }}`, and all that is around them.
    expressions: set[Path] = field(default_factory=set)
    #: Scalars that are a `secret://` reference.
    secrets: list[Path] = field(default_factory=list)
    #: Scalars whose variables could not be filled in: what they would be is not known.
    unread: set[Path] = field(default_factory=set)
    #: Beginnings of paths below which something is wrong with the shape.
    bad: set[Path] = field(default_factory=set)
    #: Keys that cannot stand where they do: of what is below them, nothing more is said.
    foreign: set[Path] = field(default_factory=set)
    #: Expressions where none are evaluated.
    misplaced: dict[Path, Part] = field(default_factory=dict)
    #: What would be an expression if a `$` stood before it.
    undollared: dict[Path, Part] = field(default_factory=dict)

    def add(
        self, code: str, path: Path, message: str, *, hint: str | None = None, at_key: bool = False
    ) -> None:
        """Reports a problem with the value at the path, or with its key."""
        span = find_key_span(self.root, path) if at_key else find_span(self.root, path)
        self.report.add(code, self.source, span, message, hint=hint)

    def add_inside(
        self,
        code: str,
        path: Path,
        part: Part,
        message: str,
        *,
        hint: str | None = None,
    ) -> None:
        """Reports a problem with a part of the text at the path."""
        node = find_node(self.root, path)
        if isinstance(node, ScalarNode):
            span = find_part_span(self.source, node, part)
        else:
            span = find_span(self.root, path)
        self.report.add(code, self.source, span, message, hint=hint)

    def place(self, path: Path) -> str:
        """Writes the place of a key as `file:line`."""
        return f"{self.source.file}:{find_key_span(self.root, path).line + 1}"

    def is_foreign(self, path: Path) -> bool:
        """Whether the path leads below a key that cannot stand where it does."""
        return any(path[:length] in self.foreign for length in range(1, len(path) + 1))

    def mark_bad(self, path: Path) -> None:
        """Keeps what is at the path, and all around it, from being looked into any further."""
        self.bad.update(path[:length] for length in range(1, len(path) + 1))

    def text_at(self, path: Path) -> str:
        """Gives the text at a path as it is written, before variables are filled in."""
        node = find_node(self.root, path)
        return node.text if isinstance(node, ScalarNode) else ""


def find_part_span(source: Source, node: ScalarNode, part: Part) -> Span:
    """Gives the place of a piece of a scalar's text, whatever the scalar's style.

    Where a line of the text stands in the file as it is read, characters are counted; else the
    piece is searched in the lines of the scalar, and if escapes or folding hide it the whole scalar
    is meant.
    """
    before = part.text[: part.offset]
    text_line = part.text.split("\n")[before.count("\n")]
    number = node.line + before.count("\n") + (1 if "\n" in part.text else 0)
    column = part.offset - (before.rfind("\n") + 1)
    start = _find_text(source.line(number), text_line, node.column if number == node.line else 0)
    if start is not None:
        return Span(number, start + column, min(part.width, max(len(text_line) - column, 1)))
    return _search_piece(source, node, part) or node.span


def _find_text(line: str, text: str, least: int) -> int | None:
    """Gives the column where the text stands: at once, behind a quote, or behind indentation."""
    indentation = len(line) - len(line.lstrip(" "))
    starts = (least, least + 1) if least else (indentation, indentation + 1)
    return next((start for start in starts if line[start : start + len(text)] == text), None)


def _search_piece(source: Source, node: ScalarNode, part: Part) -> Span | None:
    piece = part.text[part.offset : part.offset + part.width].split("\n", 1)[0]
    if not piece.strip():
        return None
    occurrence = part.text[: part.offset].count(piece)
    for number in range(node.line, node.end_line + 1):
        line = source.line(number)
        column = node.column if number == node.line else 0
        while (column := line.find(piece, column)) >= 0:
            if occurrence == 0:
                return Span(number, column, len(piece))
            occurrence -= 1
            column += len(piece)
    return None


def read_document(
    source: Source, root: Node, report: Report, environ: Mapping[str, str]
) -> Document:
    """Makes values of the nodes, with variables filled in."""
    document = Document(source=source, root=root, report=report)
    document.value = _Reader(document, environ).read(root, (), False)
    return document


class _Reader:
    def __init__(self, document: Document, environ: Mapping[str, str]) -> None:
        self._document = document
        self._environ = environ

    def read(self, node: Node, path: Path, is_free: bool) -> Any:
        if isinstance(node, ScalarNode):
            return self._read_scalar(node, path)
        if isinstance(node, ListNode):
            return [self.read(item, (*path, i), is_free) for i, item in enumerate(node.items)]
        assert isinstance(node, MapNode)
        return {
            key: self.read(value, (*path, key), is_free or _is_free((*path, key)))
            for key, (_, value) in node.entries.items()
            if is_free or not key.startswith("x-")
        }

    def _read_scalar(self, node: ScalarNode, path: Path) -> Any:
        text = node.text
        if node.plain and "$" not in text:
            value = type_scalar(text)
            if type(value) is not str:
                return value
        elif node.tag is not None and node.tag != "str":
            return self._read_tagged(node, node.tag, path)
        if "{{" in text and takes_expressions(path) and (found := _undollared.search(text)):
            width = found.end() - found.start()
            self._document.undollared[path] = Part(text, found.start(), width)
        if "$" in text:
            text = self._fill_in(node, path)
        if text.startswith("secret://"):
            self._document.secrets.append(path)
        return text

    def _read_tagged(self, node: ScalarNode, tag: str, path: Path) -> Any:
        try:
            return type_tagged(node.text, tag)
        except ValueError as error:
            self._document.add("T103", path, str(error))
            self._give_up(path)
            return node.text

    def _fill_in(self, node: ScalarNode, path: Path) -> str:
        allowed = takes_expressions(path)
        result = interpolate(node.text, self._environ, keep_escapes=allowed)
        document = self._document
        for fault in result.faults:
            part = Part(node.text, fault.offset, fault.width)
            document.add_inside(fault.code, path, part, fault.message, hint=fault.hint)
            if CODES[fault.code].severity == "error":
                self._give_up(path)
        if result.is_whole:
            document.variables[path] = node.text
        if "${{" in result.text and allowed:
            document.expressions.update(path[:length] for length in range(1, len(path) + 1))
        elif result.expressions:
            document.misplaced[path] = Part(node.text, *result.expressions[0])
            self._give_up(path)
        return result.text

    def _give_up(self, path: Path) -> None:
        self._document.unread.add(path)
        self._document.mark_bad(path)


def _is_free(path: Path) -> bool:
    return (len(path) == 3 and path[2] in _FREE_KEYS) or takes_expressions(path)
