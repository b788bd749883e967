"""Reads YAML text into nodes that know their place.

libyaml gives events; composing them here, and not by `yaml.compose`, keeps the places of aliases,
finds every duplicate key and foreign tag in one go, and bounds what a document may expand to
before it does.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

import yaml

from toril.config.problems import Report, Source
from toril.config.yaml_nodes import ListNode, MapNode, Node, ScalarNode, Span
from toril.config.yaml_syntax import explain_syntax_error, explain_tab

#: The bounds of one file: its bytes, its nodes with all aliases expanded, its nesting. They hold a
#: flow of 10,000 steps, which cannot be cut.
MAX_FILE_BYTES = 4 * 1_048_576
MAX_NODES = 400_000
MAX_DEPTH = 64

_CORE = "tag:yaml.org,2002:"
_SCALAR_TAGS = frozenset({"str", "int", "float", "bool", "null"})


class _Refused(Exception):
    """The document cannot be read any further."""

    def __init__(self, code: str, span: Span, message: str, hint: str | None = None) -> None:
        self.code, self.span, self.message, self.hint = code, span, message, hint


def read_yaml(source: Source, report: Report) -> Node | None:
    """Gives the document of a file; an empty one is an empty mapping, an unreadable one None."""
    composer = _Composer(source, report)
    try:
        root = composer.compose_document()
    except _Refused as refused:
        report.add(refused.code, source, refused.span, refused.message, hint=refused.hint)
        return None
    except yaml.YAMLError as error:
        fault = explain_syntax_error(error, source.text)
        report.add(fault.code, source, fault.span, fault.message, hint=fault.hint)
        return None
    composer.report_tabs()
    return root


def compose_quietly(source: Source) -> Node | None:
    """Gives the nodes of text that another parser has read, JSON say, or None."""
    return read_yaml(source, Report())


class _Composer:
    def __init__(self, source: Source, report: Report) -> None:
        # The pure Python loader, where libyaml is missing, gives the same events.
        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            self._next = loader(source.text).get_event
        except yaml.YAMLError as error:
            self._next = _raise_later(error)
        self._source = source
        self._report = report
        self._anchors: dict[str, Node | None] = {}
        self._nodes = 0
        #: Start and end of each scalar, to tell tabs in text from tabs between values.
        self._scalars: list[tuple[int, int]] | None = [] if "\t" in source.text else None

    def compose_document(self) -> Node:
        self._next()
        if isinstance(self._next(), yaml.StreamEndEvent):
            return MapNode(0, 0)
        root = self._compose(self._next(), 1)
        self._next()
        event = self._next()
        if isinstance(event, yaml.DocumentStartEvent):
            message = "a second document in one file"
            hint = "put it into its own file"
            self._report.add("T107", self._source, _span(event), message, hint=hint)
        return root

    def report_tabs(self) -> None:
        if self._scalars is None:
            return
        starts = [start for start, _ in self._scalars]
        offset = 0
        for number, line in enumerate(self._source.text.split("\n")):
            column = line.find("\t")
            if column >= 0 and self._is_between_values(offset, line, column, starts):
                fault = explain_tab(Span(number, column))
                self._report.add(
                    fault.code, self._source, fault.span, fault.message, hint=fault.hint
                )
            offset += len(line) + 1

    def _is_between_values(self, offset: int, line: str, column: int, starts: list[int]) -> bool:
        assert self._scalars is not None
        index = offset + column
        before = bisect_right(starts, index) - 1
        end = self._scalars[before][1] if before >= 0 else 0
        return index >= end and "#" not in line[max(end - offset, 0) : column]

    def _compose(self, event: Any, depth: int) -> Node:
        kind = event.__class__
        if kind is yaml.AliasEvent:
            return self._expand(event, depth)
        self._count(1, event)
        anchor = event.anchor
        if anchor is not None:
            self._anchors[anchor] = None
        if kind is yaml.ScalarEvent:
            node: Node = self._scalar(event)
        elif depth > MAX_DEPTH:
            message = f"nested deeper than {MAX_DEPTH} levels"
            raise _Refused("T109", _span(event), message)
        elif kind is yaml.MappingStartEvent:
            node = self._mapping(event, depth)
        else:
            node = self._sequence(event, depth)
        if anchor is not None:
            self._anchors[anchor] = node
        return node

    def _scalar(self, event: Any) -> ScalarNode:
        start, end = event.start_mark, event.end_mark
        plain = not event.style and event.tag is None
        tag = self._tag(event) if event.tag is not None else None
        if self._scalars is not None:
            self._scalars.append((start.index, end.index))
        return ScalarNode(event.value, plain, tag, start.line, start.column, end.line, end.column)

    def _mapping(self, event: Any, depth: int) -> MapNode:
        node = MapNode(event.start_mark.line, event.start_mark.column)
        self._refuse_tag(event, "map")
        merges: list[tuple[ScalarNode, Node]] = []
        before = self._nodes
        while (key_event := self._next()).__class__ is not yaml.MappingEndEvent:
            key = self._compose(key_event, depth + 1)
            value = self._compose(self._next(), depth + 1)
            node.height = max(node.height, value.height + 1)
            if not isinstance(key, ScalarNode):
                self._report.add("T114", self._source, key.span, "expected text as a key")
            elif key.text == "<<" and key.plain:
                merges.append((key, value))
            else:
                self._enter(node, key, value)
        for key, value in merges:
            self._merge(node, key, value)
        _close(node, key_event)
        node.size = 1 + self._nodes - before
        return node

    def _enter(self, node: MapNode, key: ScalarNode, value: Node) -> None:
        if key.text == "":
            self._report.add("T114", self._source, key.span, "expected text as a key, got nothing")
        elif key.text in node.entries:
            first = node.entries[key.text][0].line + 1
            message = f"key {key.text!r} is given twice, first in line {first}"
            self._report.add("T102", self._source, key.span, message, hint="keep one of them")
        else:
            node.entries[key.text] = (key, value)

    def _merge(self, node: MapNode, key: ScalarNode, value: Node) -> None:
        """Takes over what the mapping lacks; of several sources the first one wins."""
        for part in value.items if isinstance(value, ListNode) else [value]:
            if not isinstance(part, MapNode):
                hint = "write `<<: *name` or `<<: [*one, *two]`"
                message = "expected a map, or a list of maps, to merge"
                self._report.add("T110", self._source, key.span, message, hint=hint)
                continue
            node.height = max(node.height, part.height)
            for name, entry in part.entries.items():
                if name not in node.entries:
                    node.entries[name] = entry
                    self._count(entry[1].size + 1, key)

    def _sequence(self, event: Any, depth: int) -> ListNode:
        node = ListNode(event.start_mark.line, event.start_mark.column)
        self._refuse_tag(event, "seq")
        before = self._nodes
        while (item_event := self._next()).__class__ is not yaml.SequenceEndEvent:
            item = self._compose(item_event, depth + 1)
            node.height = max(node.height, item.height + 1)
            node.items.append(item)
        _close(node, item_event)
        node.size = 1 + self._nodes - before
        return node

    def _expand(self, event: Any, depth: int) -> Node:
        if event.anchor not in self._anchors:
            message = f"unknown anchor {event.anchor!r}"
            hint = f"write &{event.anchor} before the value, above this line and in this file"
            raise _Refused("T110", _span(event), message, hint)
        node = self._anchors[event.anchor]
        if node is None:
            raise _Refused("T110", _span(event), f"anchor {event.anchor!r} contains itself")
        if depth + node.height - 1 > MAX_DEPTH:
            raise _Refused("T109", _span(event), f"nested deeper than {MAX_DEPTH} levels")
        self._count(node.size, event)
        return node

    def _count(self, nodes: int, at: Any) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            span = at.span if isinstance(at, Node) else _span(at)
            message = f"more than {MAX_NODES:,} values in one file, aliases expanded"
            raise _Refused("T109", span, message, "use fewer aliases, or several files")

    def _tag(self, event: Any) -> str | None:
        """Gives the short name of a core tag; another one is a problem and then ignored."""
        tag = "str" if event.tag == "!" else event.tag.removeprefix(_CORE)
        if tag in _SCALAR_TAGS:
            return str(tag)
        self._report_tag(event)
        return None

    def _refuse_tag(self, event: Any, core: str) -> None:
        if event.tag not in (None, "!", _CORE + core):
            self._report_tag(event)

    def _report_tag(self, event: Any) -> None:
        shown = event.tag.replace(_CORE, "!!")
        span = Span(event.start_mark.line, event.start_mark.column, len(shown))
        self._report.add(
            "T106", self._source, span, f"tag {shown!r} is not known", hint="remove it"
        )


def _close(node: Node, event: Any) -> None:
    node.end_line, node.end_column = event.end_mark.line, event.end_mark.column


def _span(event: Any) -> Span:
    start, end = event.start_mark, event.end_mark
    return Span(start.line, start.column, max(end.column - start.column, 1))


def _raise_later(error: yaml.YAMLError) -> Any:
    """Pure Python's reader looks at the text at once, libyaml's at the first event."""

    def get_event() -> Any:
        raise error

    return get_event
