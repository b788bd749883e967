from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from toril.plugins.discovery import find_files, find_installed
from toril.plugins.manager import PluginManager
from toril.plugins.plugin import PluginState


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """`install("toril-shop", "2.1", points)`: a distribution with these entry points."""
    monkeypatch.syspath_prepend(tmp_path)
    modules = dict(sys.modules)

    def write(name: str, version: str, points: dict[str, str], **code: str) -> None:
        folder = tmp_path / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
        lines = [f"{point} = {value}" for point, value in points.items()]
        (folder / "entry_points.txt").write_text("\n".join(["[toril]", *lines]))
        for module, text in code.items():
            (tmp_path / f"{module}.py").write_text(text)

    yield write
    for name in set(sys.modules) - set(modules):
        del sys.modules[name]


def test_installed_plugins_know_their_distribution(install: Callable[..., None]):
    install("toril-shop", "2.1", {"shop": "toril_test_shop"})

    found = {candidate.name: candidate for candidate in find_installed()}

    assert (found["shop"].owner, found["shop"].version) == ("toril-shop", "2.1")


def test_the_core_comes_first_and_the_others_by_name(install: Callable[..., None]):
    install("toril-shop", "2.1", {"store": "toril_test_shop", "apples": "toril_test_shop"})

    names = [candidate.name for candidate in find_installed()]

    assert names[0] == "core"
    assert names[1:] == sorted(names[1:])


def test_an_installed_plugin_that_cannot_be_imported_stops_no_other(
    install: Callable[..., None],
):
    install("toril-gone", "1.0", {"a-gone": "toril_test_gone"})
    install(
        "toril-shop", "2.1", {"shop": "toril_test_shop:plugin"}, toril_test_shop="plugin = object()"
    )

    plugins = {plugin.name: plugin for plugin in PluginManager.load().plugins}

    assert plugins["a-gone"].state is PluginState.FAILED
    assert plugins["a-gone"].error == "ModuleNotFoundError: No module named 'toril_test_gone'"
    assert (plugins["shop"].state, plugins["shop"].version) == (PluginState.LOADED, "2.1")


def test_local_files_are_named_after_themselves_in_their_order(tmp_path: Path):
    paths = (tmp_path / "zebra.py", tmp_path / "apple.py")

    found = list(find_files(paths))

    assert [candidate.name for candidate in found] == ["zebra", "apple"]
    assert [candidate.owner for candidate in found] == [str(path) for path in paths]
