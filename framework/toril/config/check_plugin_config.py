"""Checks `plugins.config`: each plugin's settings against the plugin's own schema."""

from __future__ import annotations

from typing import Any

from toril.config.check_parameters import find_refusal
from toril.config.document import Document
from toril.config.schema import check_params
from toril.config.suggestions import list_known, suggest
from toril.plugins.manager import PluginManager
from toril.plugins.plugin import PluginState


def check_plugin_config(top: Document, manager: PluginManager, config: dict[str, Any]) -> None:
    """Checks all settings; those of a plugin that is disabled wait until it is not."""
    states = {plugin.name: plugin.state for plugin in manager.plugins}
    for name, values in config.items():
        if states.get(name) is PluginState.DISABLED:
            continue
        if manager.settings_of(name) is None:
            _refuse(top, manager, name)
        else:
            _check_settings(top, manager, name, values)


def _refuse(top: Document, manager: PluginManager, name: str) -> None:
    takers = [p.name for p in manager.plugins if manager.settings_of(p.name) is not None]
    found = next((p for p in manager.plugins if p.name == name), None)
    if found is None:
        message = f"no plugin {name!r} to configure"
    elif found.error is not None:
        message = f"plugin {name!r} cannot be configured: {found.error}"
    else:
        message = f"plugin {name!r} takes no settings"
    hint = suggest(name, takers) or list_known("plugin with settings", takers)
    top.add("T223", ("plugins", "config", name), message, hint=hint, at_key=True)


def _check_settings(
    top: Document, manager: PluginManager, name: str, values: dict[str, Any]
) -> None:
    taken = manager.settings_of(name)
    assert taken is not None
    type_, schema = taken
    path = ("plugins", "config", name)
    fits = check_params(top, path, values, schema)
    if fits and not any(secret[: len(path)] == path for secret in top.secrets):
        refusal = find_refusal(values, type_)
        if refusal is not None:
            place, reason = refusal
            message = f"plugin {name!r} cannot take its settings: {reason}"
            top.add("T219", (*path, *place), message)
