from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from toril.plugins.hookspecs import HookSpecs

ROOT = Path(__file__).parents[2]
HOOKS = {name: spec for name, spec in vars(HookSpecs).items() if name.startswith("toril_")}
GUIDE = (ROOT / "docs/plugins.md").read_text()
TESTS = (ROOT / "tests/unit/plugins/test_hookspecs.py").read_text()


def format_signature(name: str) -> str:
    """Writes a hook as its docs entry does: arguments and what it gives, annotated."""
    signature = inspect.signature(HOOKS[name])
    arguments = [f"{p.name}: {p.annotation}" for p in list(signature.parameters.values())[1:]]
    return f"{name}({', '.join(arguments)}) -> {signature.return_annotation}"


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_has_a_docstring(name: str):
    assert inspect.getdoc(HOOKS[name])


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_has_a_docs_entry_with_its_exact_signature(name: str):
    assert f"\n#### `{format_signature(name)}`\n" in GUIDE


def test_the_docs_know_no_other_hook():
    assert re.findall(r"^#### `(toril_\w+)\(", GUIDE, re.MULTILINE) == list(HOOKS)


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_has_a_test_named_after_it(name: str):
    assert f"def test_{name}_" in TESTS
