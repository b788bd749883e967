"""Says why a plugin does not fit: unknown hooks, wrong signatures, descriptors of a wrong type."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from toril.plugins.descriptors import BackoffType, Processor, SecretProvider, Source
from toril.plugins.hookspecs import HookSpecs

Descriptor = Processor | Source | BackoffType | SecretProvider

#: Registration hooks: what kind of thing each brings, and the descriptor's type.
REGISTRATIONS: Mapping[str, tuple[str, type[Descriptor]]] = {
    "toril_processors": ("processor", Processor),
    "toril_backoffs": ("backoff", BackoffType),
    "toril_sources": ("source", Source),
    "toril_secret_providers": ("secret provider", SecretProvider),
}

#: Every hook with the names of its arguments.
HOOK_ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    name: tuple(inspect.signature(spec).parameters)[1:]
    for name, spec in vars(HookSpecs).items()
    if name.startswith("toril_")
}

_IMPLEMENTATION_MARK = "toril_impl"


class Incompatible(Exception):
    """The plugin does not fit this version of Toril."""


def check_hooks(plugin: object) -> tuple[str, ...]:
    """Gives the names of the hooks a plugin implements; raises Incompatible if one cannot be."""
    implemented = []
    for name in dir(plugin):
        attribute = inspect.getattr_static(plugin, name)
        options = getattr(attribute, _IMPLEMENTATION_MARK, None)
        if options is None:
            _check_not_forgotten(name, attribute)
            continue
        hook = options.get("specname") or name
        _check_known(hook)
        if options.get("wrapper") or options.get("hookwrapper"):
            raise Incompatible(f"hook {hook!r} is a wrapper; Toril's hooks cannot be wrapped")
        _check_signature(hook, getattr(plugin, name))
        implemented.append(hook)
    return tuple(sorted(implemented))


def check_descriptors(hook: str, brought: object) -> list[Descriptor]:
    """Gives what a registration hook returned as a list; raises Incompatible if it is unusable."""
    kind, expected = REGISTRATIONS[hook]
    if inspect.iscoroutine(brought):
        brought.close()
        raise Incompatible(f"{hook} is a coroutine function; expected a plain `def`")
    if isinstance(brought, (str, bytes, Mapping)) or not isinstance(brought, Iterable):
        raise Incompatible(f"{hook}: expected a list of {expected.__name__}, got {_show(brought)}")
    descriptors: list[Descriptor] = []
    for descriptor in brought:
        if not isinstance(descriptor, expected):
            raise Incompatible(
                f"{hook}: expected {expected.__name__}, got {_show(descriptor)}{_hint(hook)}"
            )
        if not isinstance(descriptor.name, str) or not descriptor.name:
            raise Incompatible(f"{hook}: expected a name, got {descriptor.name!r}")
        if any(descriptor.name == other.name for other in descriptors):
            raise Incompatible(f"{hook} brings {kind} {descriptor.name!r} twice")
        descriptors.append(descriptor)
    return descriptors


def _check_known(hook: str) -> None:
    if hook in HOOK_ARGUMENTS:
        return
    close = difflib.get_close_matches(hook, HOOK_ARGUMENTS, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise Incompatible(f"unknown hook {hook!r}{hint}")


def _check_not_forgotten(name: str, attribute: object) -> None:
    if name in HOOK_ARGUMENTS and inspect.isroutine(attribute):
        raise Incompatible(f"{name!r} is not marked as a hook; put @hookimpl above it")


def _check_signature(hook: str, function: Callable[..., Any]) -> None:
    known = HOOK_ARGUMENTS[hook]
    expected = f"expected some of ({', '.join(known)})" if known else "expected no arguments"
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is not parameter.POSITIONAL_OR_KEYWORD:
            raise Incompatible(f"hook {hook!r} takes '{parameter}'; {expected} as plain arguments")
        if parameter.name not in known:
            raise Incompatible(f"hook {hook!r} takes {parameter.name!r}; {expected}")
        if parameter.default is not parameter.empty:
            raise Incompatible(
                f"hook {hook!r} gives {parameter.name!r} a default; arguments of hooks have none"
            )


def _show(value: object) -> str:
    if inspect.isroutine(value):
        return f"the function {value.__name__!r}"
    return f"{type(value).__name__} {value!r}" if value is not None else "None"


def _hint(hook: str) -> str:
    marker = hook.removeprefix("toril_").removesuffix("s")
    return f"; mark it with @{marker}"
