from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from toril.declarations.backoff import Backoff, compute_delay_ms, wait_constant
from toril.declarations.pipeline import PluginSettings
from toril.errors import PluginError, SecretError
from toril.plugins.decorators import backoff, processor, secret_provider
from toril.plugins.manager import PluginManager
from toril.plugins.plugin import Plugin, PluginState

HELLO = """
from toril import hookimpl, processor

@processor("shop.greet")
def greet(job):
    return "hello"

@hookimpl
def toril_processors():
    return [greet]
"""

Make = Callable[..., SimpleNamespace]


def plugin_named(manager: PluginManager, name: str) -> Plugin:
    return next(plugin for plugin in manager.plugins if plugin.name == name)


@processor("shop.greet")
async def greet(job: Any) -> str:
    return "hello"


def test_the_built_in_plugin_comes_through_its_entry_point():
    manager = PluginManager.load()

    core = manager.plugins[0]

    assert (core.name, core.state, core.owner) == ("core", PluginState.LOADED, "toril")
    assert core.version is not None
    assert core.hooks == ("toril_backoffs", "toril_secret_providers")


def test_a_local_file_brings_its_processors(load_files: Any, tmp_path: Path):
    manager = load_files(processors=HELLO)

    plugin = plugin_named(manager, "processors")

    assert plugin.state is PluginState.LOADED
    assert plugin.owner == str(tmp_path / "processors.py")
    assert plugin.version is None
    assert plugin.brought == {"processor": ("shop.greet",)}
    assert manager.processors["shop.greet"](None) == "hello"
    assert manager.owner_of("processor", "shop.greet") is plugin


def test_a_plugin_that_fails_to_import_is_recorded_and_stops_no_other(load_files: Any):
    broken = "import json\nimport ccxt_of_nowhere\n"

    manager = load_files(exchange=broken, processors=HELLO)

    plugin = plugin_named(manager, "exchange")
    assert plugin.state is PluginState.FAILED
    assert plugin.error == "ModuleNotFoundError: No module named 'ccxt_of_nowhere' (exchange.py:2)"
    assert "shop.greet" in manager.processors
    assert manager.explain_missing("processor", "exchange.sync") == (
        "plugin 'exchange' failed to load: "
        "ModuleNotFoundError: No module named 'ccxt_of_nowhere' (exchange.py:2)"
    )


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("x = 1\nraise SystemExit(3)", "SystemExit: 3 (broken.py:2)"),
        ("def f(:", "SyntaxError: invalid syntax (broken.py, line 1)"),
        (
            "from toril import hookimpl\n@hookimpl\ndef toril_processors():\n    return 1 / 0",
            "ZeroDivisionError: division by zero (broken.py:4)",
        ),
    ],
)
def test_whatever_a_plugin_raises_is_its_own_failure(load_files: Any, code: str, error: str):
    manager = load_files(broken=code)

    assert plugin_named(manager, "broken").state is PluginState.FAILED
    assert plugin_named(manager, "broken").error == error


def test_a_missing_file_is_a_failed_plugin(tmp_path: Path):
    manager = PluginManager.load(PluginSettings(paths=(tmp_path / "gone.py",)))

    assert plugin_named(manager, "gone").state is PluginState.FAILED
    assert f"no such file: {tmp_path / 'gone.py'}" in (plugin_named(manager, "gone").error or "")


def test_an_incompatible_plugin_is_not_used_at_all(make_plugin: Make):
    plugin = make_plugin(
        toril_processors=lambda: [greet], toril_backoffs=lambda: ["not a descriptor"]
    )

    manager = PluginManager.load(extra={"shop": plugin})

    assert plugin_named(manager, "shop").state is PluginState.INCOMPATIBLE
    assert plugin_named(manager, "shop").error == (
        "toril_backoffs: expected BackoffType, got str 'not a descriptor'; mark it with @backoff"
    )
    assert "shop.greet" not in manager.processors
    calls = manager.hook_calls("toril_processors")
    assert "shop" not in [call.plugin for call in calls]


def test_a_disabled_plugin_is_listed_and_not_imported(load_files: Any):
    manager = load_files(shop="raise AssertionError", disable=("shop",))

    assert plugin_named(manager, "shop").state is PluginState.DISABLED
    assert plugin_named(manager, "shop").error is None


@pytest.mark.parametrize("name", ["toril", "Toril", "core"])
def test_an_installed_plugin_is_disabled_by_its_name_or_its_distribution(name: str):
    manager = PluginManager.load(PluginSettings(disable=(name,)))

    assert plugin_named(manager, "core").state is PluginState.DISABLED
    assert manager.backoffs == {}


def test_a_clash_names_both_owners_and_gives_the_name_to_neither(make_plugin: Make):
    plugins = {name: make_plugin(toril_processors=lambda: [greet]) for name in ("shop", "store")}

    manager = PluginManager.load(extra=plugins)

    sentence = (
        "processor 'shop.greet' is brought by plugins 'shop' (this application) and 'store' "
        "(this application); name one of them under plugins.disable"
    )
    assert [str(clash) for clash in manager.clashes] == [sentence]
    assert "shop.greet" not in manager.processors
    assert manager.explain_missing("processor", "shop.greet") == sentence
    with pytest.raises(PluginError, match="is brought by plugins 'shop'"):
        manager.owner_of("processor", "shop.greet")


def test_a_second_plugin_of_the_same_name_is_refused(load_files: Any, make_plugin: Make):
    manager = PluginManager.load(extra={"core": make_plugin()})

    second = manager.plugins[-1]

    assert second.state is PluginState.FAILED
    assert second.error == "its name is taken by the plugin of 'toril'; rename one of them"


def test_backoffs_are_wait_factories_of_all_plugins(make_plugin: Make):
    @backoff("shop.steady")
    def steady(declaration: Backoff) -> wait_constant:
        return wait_constant(7)

    manager = PluginManager.load(extra={"shop": make_plugin(toril_backoffs=lambda: [steady])})

    delay = compute_delay_ms(
        Backoff(type="shop.steady"), 1, random_unit=0, factories=manager.backoffs
    )
    assert delay == 7_000
    assert set(manager.backoffs) == {
        "fixed", "exponential", "linear", "list", "random", "shop.steady",
    }  # fmt: skip


def test_secrets_come_from_the_provider_that_is_named(make_plugin: Make):
    @secret_provider("vault")
    def read(path: str) -> str:
        return f"text of {path}"

    manager = PluginManager.load(extra={"v": make_plugin(toril_secret_providers=lambda: [read])})

    assert manager.resolve_secret("secret://vault/db/password") == "text of db/password"


def test_nothing_is_known_of_a_name_that_no_plugin_brings():
    manager = PluginManager.load()

    assert manager.explain_missing("processor", "shop.greet") is None
    with pytest.raises(PluginError, match=r"^no processor 'shop\.greet'$"):
        manager.owner_of("processor", "shop.greet")


def test_a_manager_without_the_core_plugin_resolves_no_secret():
    manager = PluginManager.load(PluginSettings(disable=("core",)))

    with pytest.raises(SecretError, match="no secret provider 'env'"):
        manager.resolve_secret("secret://env/HOME")


def test_plugins_with_names_alike_but_for_case_and_dashes_are_one_when_disabled(load_files: Any):
    manager = load_files(my_shop=HELLO, disable=("My-Shop",))

    assert plugin_named(manager, "my_shop").state is PluginState.DISABLED


def test_settings_reach_the_processors_that_take_them(make_plugin: Make):
    @processor("shop.sync", settings=ShopSettings)
    def sync(job: Any, settings: ShopSettings) -> None: ...

    plugin = make_plugin(toril_processors=lambda: [greet, sync])
    settings = PluginSettings(config={"shop": {"page_size": 5}})

    manager = PluginManager.load(settings, extra={"shop": plugin})

    assert manager.processors["shop.sync"].config == {"page_size": 5}
    assert manager.processors["shop.greet"].config == {}
    taken = manager.settings_of("shop")
    assert taken is not None
    assert taken[0] is ShopSettings
    assert manager.settings_of("core") is None


def test_a_plugin_has_settings_of_one_class(make_plugin: Make):
    @processor("shop.sync", settings=ShopSettings)
    def sync(job: Any, settings: ShopSettings) -> None: ...

    @processor("shop.other", settings=OtherSettings)
    def other(job: Any, settings: OtherSettings) -> None: ...

    plugin = make_plugin(toril_processors=lambda: [sync, other])

    manager = PluginManager.load(extra={"shop": plugin})

    assert plugin_named(manager, "shop").error == (
        "its processors take settings of several classes: OtherSettings, ShopSettings"
    )


@dataclass
class ShopSettings:
    page_size: int = 10


@dataclass
class OtherSettings:
    page_size: int = 10
