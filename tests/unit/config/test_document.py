"""Values of a document, and the way back to their places."""

from __future__ import annotations

import pytest

from toril.config.document import Document, Part, find_part_span, read_document
from toril.config.problems import Report, Source
from toril.config.yaml_nodes import ScalarNode, find_node
from toril.config.yaml_reader import read_yaml


def read(text: str, **environ: str) -> Document:
    report = Report()
    source = Source(file="a.yaml", text=text)
    root = read_yaml(source, report)
    assert root is not None, report.sorted()
    return read_document(source, root, report, environ)


def test_plain_scalars_are_typed_and_quoted_ones_are_text() -> None:
    document = read("a: [1, '1', \"true\", true, on, !!str 1, ! 1, !!float 1, 0755, ~, ]")

    assert document.value == {"a": [1, "1", "true", True, "on", "1", "1", 1.0, "0755", None]}


def test_extension_keys_are_left_out_but_not_of_data() -> None:
    document = read("x-a: 1\njobs: {x-b: 1, j: {x-c: 1, with: {x-d: 1}, data_schema: {x-e: 1}}}\n")

    assert document.value == {"jobs": {"j": {"with": {"x-d": 1}, "data_schema": {"x-e": 1}}}}


def test_a_value_from_a_variable_stays_text_and_is_known() -> None:
    document = read("a: ${N}\nb: '${N}'\nc: n${N}\n", N="5")

    assert document.value == {"a": "5", "b": "5", "c": "n5"}
    assert document.variables == {("a",): "${N}", ("b",): "${N}"}


def test_expressions_are_known_in_the_data_of_steps_and_misplaced_elsewhere() -> None:
    data = "flows: {f: {steps: {s: {job: '${{ a }}', data: {x: ['${{ b }}']}}}}}"
    document = read(data)

    where = ("flows", "f", "steps", "s", "data", "x", 0)
    assert document.expressions == {where[:length] for length in range(1, 8)}
    assert list(document.misplaced) == [("flows", "f", "steps", "s", "job")]


PIECE = "MARK"


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("a: one MARK", 0, 7),
        ("a: 'one MARK'", 0, 8),
        ('a: "one MARK"', 0, 8),
        ('a: "\\t one MARK"', 0, 11),
        ("a: MARX MARK", 0, 8),
        ("{MARK: 1, a: MARK}", 0, 13),
        ("a: |\n  one\n    MARK two\n  MARK", 2, 4),
        ("a: >-\n  one\n  two MARK\n", 2, 6),
        ("a:\n  one\n  two MARK\n", 2, 6),
        ("a: 'one\n\n  two MARK'\n", 2, 6),
        ("a: !!str one MARK", 0, 13),
        ("a:\n  - x\n  - MARK", 2, 4),
    ],
)
def test_a_piece_of_a_scalar_is_found_in_every_style(text: str, line: int, column: int) -> None:
    document = read(text)
    path = ("a", 1) if "- " in text else ("a",)
    node = find_node(document.root, path)
    assert isinstance(node, ScalarNode)

    span = find_part_span(document.source, node, Part(node.text, node.text.index(PIECE), 4))

    assert span == (line, column, 4)


def test_a_piece_that_escapes_hide_means_the_whole_scalar() -> None:
    document = read('a: "x M\\x41RK"')
    node = find_node(document.root, ("a",))
    assert isinstance(node, ScalarNode)

    assert find_part_span(document.source, node, Part(node.text, 2, 4)) == (0, 3, 11)


def test_of_a_piece_that_stands_twice_in_a_folded_scalar_the_right_one_is_found() -> None:
    document = read("a: >-\n  MARK one\n  two MARK\n  MARK\n")
    node = find_node(document.root, ("a",))
    assert isinstance(node, ScalarNode)

    span = find_part_span(document.source, node, Part(node.text, node.text.rindex("two") + 4, 4))

    assert span == (2, 6, 4)


def test_a_blank_piece_of_a_folded_scalar_means_the_whole() -> None:
    document = read("a: >-\n  one\n  two\n")
    node = find_node(document.root, ("a",))
    assert isinstance(node, ScalarNode)

    assert find_part_span(document.source, node, Part(node.text, 3, 1)) == (0, 3, 1)
