"""The tree of a YAML document: nodes that know their place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Span(NamedTuple):
    """A place within a line, counted from 0, and how many characters are meant."""

    line: int
    column: int
    width: int = 1


START = Span(0, 0)


class Node:
    """A part of the document; lines and columns count from 0."""

    __slots__ = ("column", "end_column", "end_line", "height", "line", "size")

    def __init__(self, line: int, column: int, end_line: int, end_column: int) -> None:
        self.line = line
        self.column = column
        self.end_line = end_line
        self.end_column = end_column
        #: How many nodes it stands for, aliases expanded, and how deep they nest.
        self.size = 1
        self.height = 1

    @property
    def span(self) -> Span:
        """What is marked when this node is meant; of several lines, the first character."""
        if self.line == self.end_line:
            return Span(self.line, self.column, max(self.end_column - self.column, 1))
        return Span(self.line, self.column)


class ScalarNode(Node):
    """A single value as it is written; `tag` is the short name of a core tag, if one is given."""

    __slots__ = ("plain", "tag", "text")

    def __init__(
        self,
        text: str,
        plain: bool,
        tag: str | None,
        line: int,
        column: int,
        end_line: int,
        end_column: int,
    ) -> None:
        # Written out, and not left to Node: most nodes are scalars.
        self.line = line
        self.column = column
        self.end_line = end_line
        self.end_column = end_column
        self.size = self.height = 1
        self.text = text
        self.plain = plain
        self.tag = tag


class MapNode(Node):
    """A mapping, merge keys already applied: key text -> (key, value)."""

    __slots__ = ("entries",)

    def __init__(self, line: int, column: int) -> None:
        super().__init__(line, column, line, column)
        self.entries: dict[str, tuple[ScalarNode, Node]] = {}


class ListNode(Node):
    """A sequence."""

    __slots__ = ("items",)

    def __init__(self, line: int, column: int) -> None:
        super().__init__(line, column, line, column)
        self.items: list[Node] = []


#: Keys and indexes from a node to a part of it.
Path = Sequence[str | int]


def find_key(root: Node, path: Path) -> ScalarNode | None:
    """Gives the key node that the path ends at; None for an item of a list or a missing key."""
    parent = find_node(root, path[:-1]) if path else None
    if isinstance(parent, MapNode) and path[-1] in parent.entries:
        return parent.entries[str(path[-1])][0]
    return None


def find_node(root: Node, path: Path) -> Node | None:
    """Gives the node at a path, or None."""
    node = root
    for step in path:
        if isinstance(node, MapNode) and step in node.entries:
            node = node.entries[str(step)][1]
        elif isinstance(node, ListNode) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
        else:
            return None
    return node


def find_span(root: Node, path: Path) -> Span:
    """Gives the place of the value at a path.

    A value of several lines is marked at its key; a missing one at the nearest part above it.
    """
    for length in range(len(path), -1, -1):
        node = find_node(root, path[:length])
        if node is None:
            continue
        key = find_key(root, path[:length])
        if key is not None and node.line != node.end_line:
            return key.span
        return node.span
    return START


def find_key_span(root: Node, path: Path) -> Span:
    """Gives the place of the key at a path, or of the nearest key or list item above it."""
    for length in range(len(path), 0, -1):
        if isinstance(path[length - 1], int):
            return find_span(root, path[:length])
        key = find_key(root, path[:length])
        if key is not None:
            return key.span
    return find_span(root, path)
