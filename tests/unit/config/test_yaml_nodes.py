"""The way through a document's nodes."""

from __future__ import annotations

import pytest
import yaml

from toril.config.problems import Report, Source
from toril.config.yaml_nodes import Node, find_key_span, find_node, find_span
from toril.config.yaml_reader import read_yaml

TEXT = """\
jobs:
  sync:
    queue: orders
    needs: [a, b]
    retry:
      attempts: 5
"""


def read(text: str) -> Node:
    root = read_yaml(Source(file="a.yaml", text=text), Report())
    assert root is not None
    return root


@pytest.mark.parametrize(
    ("path", "of_value", "of_key"),
    [
        (("jobs", "sync", "queue"), (2, 11, 6), (2, 4, 5)),
        (("jobs", "sync", "needs"), (3, 11, 6), (3, 4, 5)),
        (("jobs", "sync", "needs", 1), (3, 15, 1), (3, 15, 1)),
        (("jobs", "sync", "retry"), (4, 4, 5), (4, 4, 5)),
        (("jobs", "sync", "gone", "x"), (1, 2, 4), (1, 2, 4)),
        (("jobs", "sync", "needs", 7), (3, 11, 6), (3, 11, 6)),
        (("gone",), (0, 0, 1), (0, 0, 1)),
        ((), (0, 0, 1), (0, 0, 1)),
    ],
)
def test_a_path_leads_to_its_value_and_key_or_to_what_is_nearest(
    path: tuple[str | int, ...], of_value: tuple[int, ...], of_key: tuple[int, ...]
) -> None:
    root = read(TEXT)

    assert find_span(root, path) == of_value
    assert find_key_span(root, path) == of_key


def test_a_path_through_a_scalar_leads_nowhere() -> None:
    assert find_node(read(TEXT), ("jobs", "sync", "queue", "x")) is None
    assert find_node(read(TEXT), ("jobs", "sync", "needs", "x")) is None


def test_the_pure_python_parser_gives_the_same_places(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = find_span(read(TEXT), ("jobs", "sync", "needs", 1))
    monkeypatch.delattr(yaml, "CSafeLoader")

    assert find_span(read(TEXT), ("jobs", "sync", "needs", 1)) == fast


def test_the_pure_python_parser_refuses_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(yaml, "CSafeLoader")
    report = Report()

    assert read_yaml(Source(file="a.yaml", text='a: "\x07"'), report) is None
    assert [(p.column, p.code) for p in report.sorted()] == [(5, "T101")]
