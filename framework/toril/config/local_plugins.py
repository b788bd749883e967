"""Loads the plugins that `toril.yaml` asks for; its local files must lie inside the directory."""

from __future__ import annotations

from pathlib import Path

from toril.config.build import build_plugin_settings
from toril.config.check_plugin_config import check_plugin_config
from toril.config.document import Document
from toril.config.suggestions import suggest
from toril.plugins.manager import PluginManager
from toril.plugins.plugin import PluginState

_MISSING = "does not exist"


def load_plugins(top: Document, root: Path) -> PluginManager | None:
    """Loads them, and warns of local files that failed; None if the section has problems."""
    section = top.value.get("plugins") if isinstance(top.value, dict) else None
    if ("plugins",) in top.bad:
        return None
    values = section or {}
    if not _check_paths(top, values.get("paths", []), root.resolve()):
        return None
    settings = build_plugin_settings(values, root)
    manager = PluginManager.load(settings)
    _warn_of_failed(top, manager, settings.paths)
    _warn_of_typos(top, manager, settings.disable)
    check_plugin_config(top, manager, values.get("config", {}))
    return manager


def _check_paths(top: Document, paths: list[str], root: Path) -> bool:
    wrong = False
    for index, path in enumerate(paths):
        reason = _why_unusable(root, path)
        if reason:
            wrong = True
            hint = suggest(path, _list_files(root)) if reason == _MISSING else None
            top.add("T213", ("plugins", "paths", index), f"plugin {path!r} {reason}", hint=hint)
    return not wrong


def _list_files(root: Path) -> list[str]:
    return sorted(path.name for path in root.glob("*.py"))


def _why_unusable(root: Path, path: str) -> str | None:
    full = (root / path).resolve()
    if not full.is_relative_to(root):
        return "lies outside the configuration directory"
    if not full.exists():
        return _MISSING
    if full.is_dir():
        return None if (full / "__init__.py").is_file() else "is a folder without '__init__.py'"
    return None if full.suffix == ".py" else "is not a Python file"


def _warn_of_failed(top: Document, manager: PluginManager, paths: tuple[Path, ...]) -> None:
    failed = {
        plugin.owner: plugin
        for plugin in manager.plugins
        if plugin.state in (PluginState.FAILED, PluginState.INCOMPATIBLE)
    }
    for index, path in enumerate(paths):
        plugin = failed.get(str(path))
        if plugin is not None:
            state = "failed to load" if plugin.state is PluginState.FAILED else "is incompatible"
            message = f"plugin {plugin.name!r} {state}: {plugin.error}"
            top.add("T214", ("plugins", "paths", index), message)


def _warn_of_typos(top: Document, manager: PluginManager, disabled: tuple[str, ...]) -> None:
    """To disable what is not installed is fine, unless something of a similar name is."""
    known = {_normal(name): name for p in manager.plugins for name in (p.name, p.owner)}
    for index, name in enumerate(disabled):
        hint = suggest(name, known.values(), cutoff=0.8)
        if hint and _normal(name) not in known:
            path = ("plugins", "disable", index)
            top.add("T217", path, f"no plugin {name!r} to disable", hint=hint)


def _normal(name: str) -> str:
    return name.lower().replace("_", "-")
