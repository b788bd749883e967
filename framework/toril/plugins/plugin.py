"""What is known of one plugin after loading: its state, owner, version, and what it brought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class PluginState(StrEnum):
    """How loading a plugin ended."""

    #: Its hooks are called and what it brought can be used.
    LOADED = "loaded"
    #: Left out by `plugins.disable`; its code was not imported.
    DISABLED = "disabled"
    #: Its code raised, could not be found, or its name was taken.
    FAILED = "failed"
    #: It was imported, but does not fit this version of Toril; none of it is used.
    INCOMPATIBLE = "incompatible"


@dataclass(frozen=True, kw_only=True, slots=True)
class Plugin:
    """One plugin that was found, whatever became of it."""

    name: str
    state: PluginState
    #: The distribution or file it comes from.
    owner: str
    #: The distribution's version; None for a local file.
    version: str | None = None
    #: Why it is failed or incompatible.
    error: str | None = None
    #: Hooks it implements.
    hooks: tuple[str, ...] = ()
    #: Names it brought, by kind: `processor`, `backoff`, `secret provider`.
    brought: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Clash:
    """One name that two plugins bring; nobody may use it until one of them is disabled."""

    kind: str
    name: str
    plugins: tuple[str, ...]
    owners: tuple[str, ...]

    def __str__(self) -> str:
        bringers = " and ".join(
            f"{plugin!r} ({owner})" for plugin, owner in zip(self.plugins, self.owners, strict=True)
        )
        return (
            f"{self.kind} {self.name!r} is brought by plugins {bringers}; "
            "name one of them under plugins.disable"
        )
