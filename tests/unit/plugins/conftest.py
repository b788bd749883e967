"""Plugins made of a few functions, and a place that remembers events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from toril.declarations.pipeline import PluginSettings
from toril.plugins.decorators import hookimpl
from toril.plugins.manager import PluginManager


class Events(list[tuple[str, Mapping[str, Any]]]):
    """Called as `on_event`; holds what it was told."""

    def __call__(self, name: str, fields: Mapping[str, Any]) -> None:
        self.append((name, fields))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self]


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def make_plugin() -> Callable[..., SimpleNamespace]:
    """`make_plugin(toril_processors=function)`: marks each function as a hook."""

    def make(**hooks: Callable[..., Any]) -> SimpleNamespace:
        return SimpleNamespace(**{name: hookimpl(function) for name, function in hooks.items()})

    return make


@pytest.fixture
def load_files(tmp_path: Path) -> Callable[..., PluginManager]:
    """`load_files(processors="...code...")`: writes the files and loads those named in `paths`."""

    def load(*, paths: list[str] | None = None, disable: tuple[str, ...] = (), **files: str) -> Any:
        for stem, code in files.items():
            (tmp_path / f"{stem}.py").write_text(code)
        wanted = tuple(tmp_path / f"{stem}.py" for stem in (paths or files))
        return PluginManager.load(PluginSettings(paths=wanted, disable=disable))

    return load
