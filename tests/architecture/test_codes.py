"""Every problem code is declared once, explained, documented, and shown word for word in a test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from toril.config.codes import CODES

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs/problems.md").read_text(encoding="utf-8")
SOURCES = [path.read_text() for path in (ROOT / "framework/toril/config").glob("*.py")]
CASES = ROOT / "tests/acceptance/wrong_yaml/cases"
EXPECTED = [path.read_text(encoding="utf-8") for path in CASES.glob("*/expected.txt")]


@pytest.mark.parametrize("code", CODES)
def test_a_code_is_explained_in_one_sentence(code: str) -> None:
    explanation = CODES[code].explanation

    assert explanation[0].isupper()
    assert explanation.endswith(".")
    assert "\n" not in explanation


def test_the_docs_list_every_code_with_its_explanation() -> None:
    rows = re.findall(r"^\| (T\d+) \| (\w+) \| (.*) \|$", DOCS, re.MULTILINE)

    assert rows == [(code, kind.severity, kind.explanation) for code, kind in CODES.items()]


@pytest.mark.parametrize("code", CODES)
def test_a_code_is_shown_word_for_word_in_a_wrong_configuration(code: str) -> None:
    mark = f" {code} warning: " if CODES[code].severity == "warning" else f" {code} "

    assert any(mark in text for text in EXPECTED)


def test_every_code_that_is_reported_is_declared_and_the_other_way_round() -> None:
    used = {code for text in SOURCES for code in re.findall(r'"(T\d{3})"(?!: _)', text)}

    assert used == set(CODES)
