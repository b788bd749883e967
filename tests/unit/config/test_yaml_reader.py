"""Reading YAML text into nodes; what is refused is in tests/acceptance/wrong_yaml."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from toril.config.files import read_source
from toril.config.problems import Problem, Report, Source
from toril.config.yaml_nodes import ListNode, MapNode, Node, ScalarNode, find_key, find_node
from toril.config.yaml_reader import MAX_DEPTH, MAX_FILE_BYTES, read_yaml


def read(text: str) -> tuple[Node | None, tuple[Problem, ...]]:
    report = Report()
    return read_yaml(Source(file="a.yaml", text=text), report), report.sorted()


def plain(node: Node | None) -> object:
    """Gives the texts of a document without their places."""
    if isinstance(node, ScalarNode):
        return node.text
    if isinstance(node, ListNode):
        return [plain(item) for item in node.items]
    assert isinstance(node, MapNode)
    return {key: plain(value) for key, (_, value) in node.entries.items()}


def test_keys_and_values_know_their_place() -> None:
    root, _ = read("a:\n  - {ü: 1, b: 'x y'}\n")
    assert root is not None

    key, value = find_key(root, ("a", 0, "b")), find_node(root, ("a", 0, "b"))

    assert key is not None
    assert value is not None
    assert key.span == (1, 11, 1)
    assert value.span == (1, 14, 5)


def test_an_empty_document_is_an_empty_map() -> None:
    assert [plain(read(text)[0]) for text in ("", "\n# nothing\n")] == [{}, {}]


def test_an_alias_stands_for_its_anchor() -> None:
    assert plain(read("a: &x {b: 1}\nc: [*x, *x]\n")[0]) == {
        "a": {"b": "1"},
        "c": [{"b": "1"}, {"b": "1"}],
    }


def test_a_merge_key_gives_what_the_map_lacks() -> None:
    root, problems = read("a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {z: 3, <<: [*a, *b]}\n")

    assert problems == ()
    assert plain(find_node(root, ("c",)) if root else None) == {"z": "3", "x": "1", "y": "1"}


def test_a_quoted_merge_key_is_a_key() -> None:
    assert plain(read('{"<<": 1}')[0]) == {"<<": "1"}


def test_an_anchor_may_be_given_anew() -> None:
    assert plain(read("a: &x 1\nb: *x\nc: &x 2\nd: *x\n")[0]) == {
        "a": "1",
        "b": "1",
        "c": "2",
        "d": "2",
    }


def test_keys_are_text_as_it_is_written() -> None:
    assert plain(read("{1: a, true: b, on: c, ~: d, 0x1: e}")[0]) == {
        "1": "a",
        "true": "b",
        "on": "c",
        "~": "d",
        "0x1": "e",
    }


def test_every_second_key_and_foreign_tag_of_a_file_is_found() -> None:
    _, problems = read("a: 1\na: 2\nb: !x 1\na: 3\nc: !y {d: 1, d: 2}\n")

    assert [(p.line, p.code) for p in problems] == [
        (2, "T102"),
        (3, "T106"),
        (4, "T102"),
        (5, "T106"),
        (5, "T102"),
    ]


def test_lines_may_end_as_on_windows() -> None:
    root, problems = read("a: 1\r\na: 2\r\n")

    assert plain(root) == {"a": "1"}
    assert [(p.line, p.column, p.excerpt) for p in problems] == [(2, 1, "a: 2")]


BOMBS = {
    "aliases in lists": "a0: &a0 [x, x]\n"
    + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60)),
    "aliases in maps": "a0: &a0 {x: x, y: y}\n"
    + "".join(f"a{n}: &a{n} {{x: *a{n - 1}, y: *a{n - 1}}}\n" for n in range(1, 60)),
    "merged maps": "a0: &a0 {k0: x}\n"
    + "".join(f"a{n}: &a{n} {{<<: *a{n - 1}, k{n}: x}}\n" for n in range(1, 2000)),
    "one big map merged often": "a: &a {"
    + ", ".join(f"k{n}: x" for n in range(2000))
    + "}\n"
    + "".join(f"b{n}: {{<<: *a}}\n" for n in range(500)),
    "nested lists": "[" * 100_000,
    "nested maps": "{a: " * 100_000,
    "nested blocks": "".join(" " * n + "- \n" for n in range(500)),
    "nested by aliases": "a0: &a0 [[[[[[[[x]]]]]]]]\n"
    + "".join(f"a{n}: &a{n} [[[[[[[[*a{n - 1}]]]]]]]]\n" for n in range(1, 20)),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_before_it_goes_off(name: str) -> None:
    start = time.process_time()
    root, problems = read(BOMBS[name])
    spent_ms = (time.process_time() - start) * 1000

    assert root is None
    assert [p.code for p in problems] == ["T109"]
    # It takes about 20 ms at most; a bomb that goes off takes seconds to centuries.
    assert spent_ms < 1000


def test_a_document_may_be_as_deep_as_the_bound() -> None:
    assert read("[" * MAX_DEPTH + "]" * MAX_DEPTH)[1] == ()
    assert [p.message for p in read("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))[1]] == [
        "nested deeper than 64 levels"
    ]


def test_a_file_over_the_bound_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    path.write_text("#" * (MAX_FILE_BYTES + 1))
    report = Report()

    assert read_source(path, report) is None
    assert [(p.code, p.message) for p in report.sorted()] == [
        ("T109", "the file is larger than 4,194,304 bytes")
    ]


def test_too_many_values_are_refused() -> None:
    _, problems = read("[" + "1," * 400_001 + "]")

    assert [p.message for p in problems] == [
        "more than 400,000 values in one file, aliases expanded"
    ]
