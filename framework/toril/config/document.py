"""A file that was read: its nodes, its values, and the way from a value back to its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

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

#: Below these keys the user's own data begins: `x-` means nothing there.
_FREE_KEYS = frozenset({"data", "data_schema", "inputs", "with", "config"})


@dataclass(kw_only=True, slots=True)
class Document:
    """One file of the configuration."""

    source: Source
    root: Node
    report: Report
    value: Any = None
    #: Scalars that are one `${VAR}`: path -> how they are written.
    variables: dict[Path, str] = field(default_factory=dict)
    #: Scalars that hold `${{ }}`.
    expressions: list[Path] = field(default_factory=list)
    #: Scalars that are a `secret://` reference.
    secrets: list[Path] = field(default_factory=list)
    #: Beginnings of paths below which something is wrong with the shape.
    bad: set[Path] = field(default_factory=set)

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

    def text_at(self, path: Path) -> str:
        """Gives the text at a path as it is written, before variables are filled in."""
        node = find_node(self.root, path)
        return node.text if isinstance(node, ScalarNode) else ""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a scalar's text, as it is read or after variables were filled in."""

    text: str
    offset: int
    width: int


def find_part_span(source: Source, node: ScalarNode, part: Part) -> Span:
    """Gives the place of a piece of a scalar's text, whatever the scalar's style.

    Text that stands in one line as it is read is counted; else the piece is searched in the lines
    of the scalar, and if escapes or folding hide it the whole scalar is meant.
    """
    line = source.line(node.line)
    for start in (node.column, node.column + 1):
        if line[start : start + len(part.text)] == part.text:
            return Span(node.line, start + part.offset, part.width)
    piece = part.text[part.offset : part.offset + part.width].split("\n", 1)[0]
    occurrence = part.text[: part.offset].count(piece) if piece.strip() else 0
    for number in range(node.line, node.end_line + 1):
        line = source.line(number)
        column = node.column if number == node.line else 0
        while piece.strip() and (column := line.find(piece, column)) >= 0:
            if occurrence == 0:
                return Span(number, column, len(piece))
            occurrence -= 1
            column += len(piece)
    return node.span


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
            key: self.read(value, (*path, key), is_free or key in _FREE_KEYS)
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
            return type_tagged(text, node.tag)
        if "$" in text:
            text = self._fill_in(node, path)
        if text.startswith("secret://"):
            self._document.secrets.append(path)
        return text

    def _fill_in(self, node: ScalarNode, path: Path) -> str:
        allowed = takes_expressions(path)
        result = interpolate(node.text, self._environ, keep_escapes=allowed)
        document = self._document
        for fault in result.faults:
            part = Part(node.text, fault.offset, fault.width)
            document.add_inside(fault.code, path, part, fault.message, hint=fault.hint)
        if result.is_whole:
            document.variables[path] = node.text
        if "${{" in result.text and allowed:
            document.expressions.append(path)
        elif result.expressions:
            part = Part(node.text, *result.expressions[0])
            message = "an expression cannot be used here"
            hint = "expressions work in the data of a flow's steps; write $${{ for the text ${{"
            document.add_inside("T402", path, part, message, hint=hint)
        return result.text


def takes_expressions(path: Path) -> bool:
    """Whether `${{ }}` is evaluated at this path."""
    return len(path) >= 5 and path[0] == "flows" and path[2] == "steps" and path[4] == "data"
