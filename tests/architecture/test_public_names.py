from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import toril
from toril import errors

PACKAGE = Path(toril.__file__).parent
SOURCES = [path for path in PACKAGE.rglob("*.py") if path.parent.name != "new-pipeline"]


def names_for_type_checkers() -> set[str]:
    """What the `if TYPE_CHECKING:` block of toril/__init__.py brings."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    block = next(
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    imported = {
        alias.name
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    declared = {ast.unparse(node.target) for node in block.body if isinstance(node, ast.AnnAssign)}
    return imported | declared


def test_every_public_name_exists():
    for name in toril.__all__:
        assert getattr(toril, name) is not None


def test_type_checkers_see_the_names_that_exist():
    assert names_for_type_checkers() == set(toril.__all__)
    assert set(dir(toril)) == set(toril.__all__)


def test_every_error_is_public():
    classes = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and value.__module__ == errors.__name__
    }

    assert classes <= set(toril.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"^module 'toril' has no attribute 'nothing'$"):
        _ = toril.nothing


def test_importing_the_package_imports_nothing_else_of_it():
    code = "import sys, toril; print([m for m in sys.modules if m.startswith('toril.')])"

    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert shown.stdout.strip() == "[]"


def test_nothing_inside_imports_the_public_names():
    guests = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == "toril" and not node.level
        if {alias.name for alias in node.names} & set(toril.__all__)
    ]

    assert guests == []


def test_every_module_says_what_lives_there():
    silent = [
        str(path.relative_to(PACKAGE))
        for path in SOURCES
        if not ast.get_docstring(ast.parse(path.read_text()))
    ]

    assert silent == []
