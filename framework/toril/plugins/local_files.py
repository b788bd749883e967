"""Loads a local plugin file by its path, so that it can import what lies beside it.

The file becomes a module of a private package that stands for its folder, under a name that
depends on the path alone: two configurations with a `processors.py` each do not meet. Files beside
it are imported as `import exchange` or `from . import exchange`.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

_PACKAGE_PREFIX = "_toril_local_"


def prepare_folders(paths: Iterable[Path]) -> None:
    """Makes the folders of these plugin files importable, and forgets older loads of them."""
    for folder in sorted({path.parent for path in paths}):
        _put_on_path(folder)
        _forget_siblings(folder)
        _make_package(folder)


def load_file(path: Path) -> ModuleType:
    """Runs a plugin file, or a package folder, and gives its module.

    Raises FileNotFoundError if there is none, and whatever its code raises.
    """
    source = path / "__init__.py" if path.is_dir() else path
    if not source.is_file():
        raise FileNotFoundError(f"no such file: {source}")
    name = f"{_package_name(path.parent)}.{path.stem}"
    search = [str(path)] if path.is_dir() else None
    spec = importlib.util.spec_from_file_location(name, source, submodule_search_locations=search)
    if spec is None or spec.loader is None:
        raise ImportError(f"expected a .py file or a package folder, got {path.name!r}")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and pickle look their module up by name while it still runs.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _package_name(folder: Path) -> str:
    return _PACKAGE_PREFIX + hashlib.sha1(str(folder).encode()).hexdigest()[:12]


def _make_package(folder: Path) -> None:
    package = ModuleType(_package_name(folder))
    package.__path__ = [str(folder)]
    sys.modules[package.__name__] = package


def _put_on_path(folder: Path) -> None:
    """Puts the folder behind everything installed, so that it shadows nothing, and before other
    plugins' folders, so that its own files are found first."""
    known = _known_folders()
    own = str(folder)
    rest = [entry for entry in sys.path if entry != own or entry not in known]
    if own in rest:
        return
    first_known = next((i for i, entry in enumerate(rest) if entry in known), len(rest))
    sys.path[:] = [*rest[:first_known], own, *rest[first_known:]]


def _forget_siblings(folder: Path) -> None:
    """Drops modules that came from plugin folders and bear a name that a file here has."""
    known = _known_folders() | {str(folder)}
    names = {path.stem for path in folder.glob("*.py")}
    names |= {path.parent.name for path in folder.glob("*/__init__.py")}
    for name, module in list(sys.modules.items()):
        top = name.partition(".")[0]
        if top in names and _home_of(sys.modules.get(top, module)) in known:
            del sys.modules[name]
    private = _package_name(folder)
    for name in [n for n in sys.modules if n == private or n.startswith(private + ".")]:
        del sys.modules[name]


def _home_of(module: ModuleType) -> str | None:
    """The folder in which the module's file, or its package's folder, lies."""
    file = getattr(module, "__file__", None)
    if file is None:
        return None
    path = Path(file)
    return str(path.parent.parent if path.name == "__init__.py" else path.parent)


def _known_folders() -> set[str]:
    """Every folder that a plugin was loaded from: their private packages say so."""
    return {
        module.__path__[0]
        for name, module in list(sys.modules.items())
        if name.startswith(_PACKAGE_PREFIX) and "." not in name
    }
