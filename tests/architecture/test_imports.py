from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUESTS = [
    path
    for folder in ("plugins", "examples", "pipelines", "framework/toril/cli/new-pipeline")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if ".toril" not in path.parts
]


def imported_from_toril(path: Path) -> set[str]:
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules.add(node.module)
        elif isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
    return {module for module in modules if module.partition(".")[0] == "toril"}


def test_the_import_contracts_hold():
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache", "--no-logo"]

    linted = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize("path", GUESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_plugins_import_only_the_public_names(path: Path):
    assert imported_from_toril(path) <= {"toril", "toril.testing"}
