"""`toril plugin`: which plugins there are, what each brings, why one is not used."""

from __future__ import annotations

from typing import Any

import click

from toril.cli.groups import NounGroup
from toril.cli.options import directory_option, find_directory, format_option
from toril.cli.output import make_printable, print_json, print_table
from toril.config.loader import load_pipeline
from toril.declarations.names import find_named
from toril.errors import ConfigurationError
from toril.plugins.manager import PluginManager
from toril.plugins.plugin import Plugin


@click.group(cls=NounGroup, short_help="List plugins and what they bring.")
def plugin() -> None:
    """Lists plugins and what they bring."""


@plugin.command("list", short_help="List all plugins with their states.")
@directory_option
@format_option
def list_plugins(as_json: bool) -> None:
    """Lists the installed and the local plugins: loaded, disabled, failed or incompatible."""
    plugins = load_plugins().plugins
    if as_json:
        print_json({"plugins": [describe_plugin(one) for one in plugins]})
        return
    rows = [(p.name, p.state, p.version, p.owner, format_brought(p) or p.error) for p in plugins]
    print_table(("plugin", "state", "version", "from", "brings"), rows, empty="no plugin is there")


@plugin.command("show", short_help="Show one plugin.")
@click.argument("name", metavar="PLUGIN")
@directory_option
@format_option
def show(name: str, as_json: bool) -> None:
    """Shows PLUGIN: where it comes from, its hooks, and what it brings with its parameters."""
    manager = load_plugins()
    found = find_named("plugin", name, {one.name: one for one in manager.plugins})
    shape = describe_plugin(found)
    names = found.brought.get("processor", ())
    shape["params"] = {
        one: manager.processors[one].params_schema for one in names if one in manager.processors
    }
    taken = manager.settings_of(found.name)
    shape["config"] = taken[1] if taken is not None else {}
    if as_json:
        print_json(shape)
        return
    width = max(map(len, (*shape, *found.brought)))
    for key, value in shape.items():
        if key not in ("brought", "params", "config") and value:
            text = ", ".join(value) if isinstance(value, list) else str(value)
            click.echo(f"{key:<{width}}  {make_printable(text)}")
    if shape["config"]:
        click.echo(f"{'config':<{width}}  {_list_properties(shape['config'])}")
    for kind, brought in found.brought.items():
        for one in brought:
            click.echo(f"{kind:<{width}}  {one}{_format_params(shape['params'].get(one))}")


def load_plugins() -> PluginManager:
    """Loads the plugins of the pipeline, which may have problems elsewhere."""
    loaded = load_pipeline(find_directory())
    if loaded.plugins is None:
        message = "the configuration does not say clearly which plugins to load"
        raise ConfigurationError(message, problems=loaded.problems)
    return loaded.plugins


def describe_plugin(found: Plugin) -> dict[str, Any]:
    """Gives a plugin's facts by the names that others build on."""
    return {
        "name": found.name,
        "state": found.state.value,
        "version": found.version,
        "owner": found.owner,
        "error": found.error,
        "hooks": list(found.hooks),
        "brought": {kind: list(names) for kind, names in found.brought.items()},
    }


def format_brought(found: Plugin) -> str:
    """Writes what a plugin brings: `processor a, b; backoff c`."""
    return "; ".join(f"{kind} {', '.join(names)}" for kind, names in found.brought.items())


def _format_params(schema: Any) -> str:
    """Writes the names of a processor's parameters, the optional ones in brackets."""
    names = _list_properties(schema) if schema else ""
    return f"  with {names}" if names else ""


def _list_properties(schema: Any) -> str:
    shape = schema
    if "$ref" in schema:
        shape = schema["$defs"][schema["$ref"].rpartition("/")[2]]
    needed = set(shape.get("required", ()))
    return " ".join(one if one in needed else f"[{one}]" for one in shape.get("properties", {}))
