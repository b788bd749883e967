"""Prints a tree of modules, each with the first line of its docstring: `make map`."""

from __future__ import annotations

import ast
import sys
from pathlib import Path


def main() -> None:
    root = Path(sys.argv[1])
    for line in draw(root, depth=0):
        print(line)


def draw(folder: Path, *, depth: int) -> list[str]:
    """Gives a folder's lines: its own, its modules', then its packages'."""
    indent = "  " * depth
    lines = [f"{indent}{folder.name + '/':<{32 - len(indent)}} {summary_of(folder)}".rstrip()]
    for module in sorted(folder.glob("*.py")):
        if module.name != "__init__.py":
            lines.append(f"{indent}  {module.name:<{30 - len(indent)}} {read_summary(module)}")
    for package in sorted(folder.iterdir()):
        if package.is_dir() and any(package.glob("*.py")) and not package.is_symlink():
            lines += draw(package, depth=depth + 1)
    return lines


def summary_of(folder: Path) -> str:
    init = folder / "__init__.py"
    return read_summary(init) if init.exists() else ""


def read_summary(module: Path) -> str:
    docstring = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8")))
    return (docstring or "").partition("\n")[0]


if __name__ == "__main__":
    main()
