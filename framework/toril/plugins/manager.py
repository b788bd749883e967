"""The plugin manager: loads plugins, keeps what they brought, and finds their hooks.

pluggy holds the hooks, but neither loads nor calls: its loader stops at the first plugin that
cannot be imported, and its calls stop at the first hook that raises.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import pluggy

from toril.declarations.backoff import WaitFactory
from toril.declarations.pipeline import PluginSettings
from toril.errors import PluginError
from toril.plugins.compatibility import (
    REGISTRATIONS,
    Descriptor,
    Incompatible,
    check_descriptors,
    check_hooks,
)
from toril.plugins.descriptors import BackoffType, Processor, SecretProvider, Source
from toril.plugins.discovery import Candidate, find_files, find_installed
from toril.plugins.hookspecs import HookSpecs
from toril.plugins.local_files import prepare_folders
from toril.plugins.plugin import Clash, Plugin, PluginState
from toril.plugins.secrets import resolve_secret

D = TypeVar("D", Processor, Source, BackoffType, SecretProvider)


#: How the loading of a plugin that cannot be used ended.
_FATES = {PluginState.FAILED: "failed to load", PluginState.INCOMPATIBLE: "is incompatible"}


@dataclass(frozen=True, kw_only=True, slots=True)
class HookCall:
    """One plugin's implementation of one hook."""

    plugin: str
    hook: str
    function: Callable[..., Any]
    #: The arguments it asked for, a choice of the hook's.
    arguments: tuple[str, ...]


class PluginManager:
    """All plugins of one configuration."""

    def __init__(self, config: Mapping[str, Mapping[str, Any]] = MappingProxyType({})) -> None:
        self._config = config
        self._pluggy = pluggy.PluginManager("toril")
        self._pluggy.add_hookspecs(HookSpecs)
        self._plugins: list[Plugin] = []
        self._brought: dict[tuple[str, str], list[tuple[Plugin, Descriptor]]] = {}

    @classmethod
    def load(
        cls,
        settings: PluginSettings | None = None,
        *,
        extra: Mapping[str, object] | None = None,
    ) -> PluginManager:
        """Loads installed plugins, then local files, then `extra` (name -> module or object).

        A plugin that cannot be used is recorded with its reason and stops nothing.
        """
        settings = settings or PluginSettings()
        manager = cls(settings.config)
        prepare_folders(settings.paths)
        disabled = {_normal(name) for name in settings.disable}
        for candidate in (*find_installed(), *find_files(settings.paths), *_given(extra or {})):
            if {_normal(candidate.name), _normal(candidate.owner)} & disabled:
                manager._record(candidate, PluginState.DISABLED)
            else:
                manager._load(candidate)
        return manager

    @property
    def plugins(self) -> tuple[Plugin, ...]:
        """Every plugin found, in order of loading, with its state."""
        return tuple(self._plugins)

    @cached_property
    def processors(self) -> Mapping[str, Processor]:
        """Processors by name."""
        return self._usable(Processor)

    @cached_property
    def sources(self) -> Mapping[str, Source]:
        """Sources by name."""
        return self._usable(Source)

    @cached_property
    def backoffs(self) -> Mapping[str, WaitFactory]:
        """Wait strategies' factories by backoff type, as `compute_delay_ms` takes them."""
        types = self._usable(BackoffType)
        return MappingProxyType({name: type_.build for name, type_ in types.items()})

    @cached_property
    def secret_providers(self) -> Mapping[str, SecretProvider]:
        """Secret providers by name."""
        return self._usable(SecretProvider)

    @cached_property
    def clashes(self) -> tuple[Clash, ...]:
        """Names that more than one plugin brings; they are in none of the mappings."""
        return tuple(
            Clash(
                kind=kind,
                name=name,
                plugins=tuple(plugin.name for plugin, _ in bringers),
                owners=tuple(plugin.owner for plugin, _ in bringers),
            )
            for (kind, name), bringers in self._brought.items()
            if len(bringers) > 1
        )

    def owner_of(self, kind: str, name: str) -> Plugin:
        """Gives the plugin that brought a name; raises PluginError if none or several did."""
        bringers = self._brought.get((kind, name), [])
        if len(bringers) != 1:
            raise PluginError(self.explain_missing(kind, name) or f"no {kind} {name!r}")
        return bringers[0][0]

    def settings_of(self, plugin: str) -> tuple[type, Mapping[str, Any]] | None:
        """Gives the class and the JSON Schema of a plugin's settings, or None: it takes none."""
        for bringers in self._brought.values():
            for owner, descriptor in bringers:
                if (
                    owner.name == plugin
                    and isinstance(descriptor, Processor)
                    and descriptor.settings is not None
                ):
                    return descriptor.settings, descriptor.settings_schema
        return None

    def explain_missing(self, kind: str, name: str) -> str | None:
        """Says why a name is not there: a clash, or plugins that could not be loaded."""
        for clash in self.clashes:
            if (clash.kind, clash.name) == (kind, name):
                return str(clash)
        broken = [plugin for plugin in self._plugins if plugin.error]
        if not broken:
            return None
        return "; ".join(
            f"plugin {p.name!r} {_FATES.get(p.state, p.state)}: {p.error}" for p in broken
        )

    def resolve_secret(self, reference: str) -> str:
        """Gives the text behind `secret://PROVIDER/PATH`; raises SecretError if there is none."""
        return resolve_secret(reference, self.secret_providers)

    def hook_calls(self, hook: str) -> tuple[HookCall, ...]:
        """Gives the implementations of a hook, in the order in which they are called."""
        caller: pluggy.HookCaller = getattr(self._pluggy.hook, hook)
        return tuple(
            HookCall(
                plugin=found.plugin_name,
                hook=hook,
                function=found.function,
                arguments=tuple(found.argnames),
            )
            for found in reversed(caller.get_hookimpls())
        )

    def _load(self, candidate: Candidate) -> None:
        taken = next((p for p in self._plugins if p.name == candidate.name), None)
        if taken is not None and taken.state is not PluginState.DISABLED:
            self._record(
                candidate,
                PluginState.FAILED,
                error=f"its name is taken by the plugin of {taken.owner!r}; rename one of them",
            )
            return
        try:
            module = candidate.load()
            hooks = check_hooks(module)
            brought = self._register(candidate.name, module, hooks)
        except (Incompatible, pluggy.PluginValidationError) as problem:
            self._record(candidate, PluginState.INCOMPATIBLE, error=str(problem))
        # A plugin's code may raise anything; SystemExit comes from scripts without a main guard.
        except (Exception, SystemExit) as error:  # noqa: BLE001
            self._record(candidate, PluginState.FAILED, error=_describe(error))
        else:
            self._keep(candidate, hooks, brought)

    def _register(
        self, name: str, module: object, hooks: Iterable[str]
    ) -> list[tuple[str, Descriptor]]:
        """Registers a plugin and asks it what it brings; all of it or nothing."""
        self._pluggy.register(module, name=name)
        try:
            self._pluggy.check_pending()
            return [
                (REGISTRATIONS[call.hook][0], descriptor)
                for hook in hooks
                if hook in REGISTRATIONS
                for call in self.hook_calls(hook)
                if call.plugin == name
                for descriptor in self._configure(name, check_descriptors(hook, call.function()))
            ]
        except BaseException:
            self._pluggy.unregister(name=name)
            raise

    def _configure(self, plugin: str, brought: list[Descriptor]) -> list[Descriptor]:
        """Gives processors what `plugins.config` says to their plugin, by its one class."""
        takers = {d.settings for d in brought if isinstance(d, Processor) and d.settings}
        if len(takers) > 1:
            names = ", ".join(sorted(taker.__name__ for taker in takers))
            raise Incompatible(f"its processors take settings of several classes: {names}")
        config = self._config.get(plugin, {})
        return [
            replace(d, config=config) if isinstance(d, Processor) and d.settings else d
            for d in brought
        ]

    def _keep(
        self, candidate: Candidate, hooks: tuple[str, ...], brought: list[tuple[str, Descriptor]]
    ) -> None:
        names: dict[str, tuple[str, ...]] = {}
        for kind, descriptor in brought:
            names[kind] = (*names.get(kind, ()), descriptor.name)
        plugin = self._record(candidate, PluginState.LOADED)
        self._plugins[-1] = plugin = replace(plugin, hooks=hooks, brought=MappingProxyType(names))
        for kind, descriptor in brought:
            self._brought.setdefault((kind, descriptor.name), []).append((plugin, descriptor))

    def _record(
        self, candidate: Candidate, state: PluginState, *, error: str | None = None
    ) -> Plugin:
        plugin = Plugin(
            name=candidate.name,
            state=state,
            owner=candidate.owner,
            version=candidate.version,
            error=error,
        )
        self._plugins.append(plugin)
        return plugin

    def _usable(self, type_: type[D]) -> Mapping[str, D]:
        return MappingProxyType(
            {
                name: bringers[0][1]
                for (_, name), bringers in self._brought.items()
                if len(bringers) == 1 and isinstance(bringers[0][1], type_)
            }
        )


def _given(plugins: Mapping[str, object]) -> Iterable[Candidate]:
    for name, plugin in plugins.items():
        yield Candidate(
            name=name, owner="this application", version=None, load=partial(_same, plugin)
        )


def _same(plugin: object) -> object:
    return plugin


def _normal(name: str) -> str:
    """Writes distribution names alike: `toril_shell` and `Toril-Shell` are one."""
    return name.lower().replace("_", "-")


def _describe(error: BaseException) -> str:
    """Names the error and the line in the plugin's own code that raised it."""
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "importlib" not in f.filename and f.filename != __file__]
    place = f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
    return f"{type(error).__name__}: {error}{place}"
