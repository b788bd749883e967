"""The decorators by which plugin authors mark what they bring."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pluggy
from tenacity.wait import wait_base

from toril.declarations.backoff import Backoff
from toril.plugins.descriptors import BackoffType, Processor, SecretProvider, Source

hookspec = pluggy.HookspecMarker("toril")
hookimpl = pluggy.HookimplMarker("toril")

#: What `with:` may hold for a processor without parameters: nothing.
NO_PARAMS_SCHEMA: Mapping[str, Any] = {"type": "object", "additionalProperties": False}


def processor(
    name: str, *, params: type | None = None, settings: type | None = None
) -> Callable[[Callable[..., Any]], Processor]:
    """Makes a processor of a function `(job)`, `(job, params)` or `(job, params, settings)`.

    Both are a msgspec.Struct or dataclass each; their JSON Schemas check `with:` and the plugin's
    part of `plugins.config` at load time. Raises TypeError when no schema can be derived.
    """
    _check_name("processor", name)
    schema = _derive_schema(params) if params is not None else NO_PARAMS_SCHEMA

    def mark(function: Callable[..., Any]) -> Processor:
        return Processor(
            name=name,
            function=function,
            params=params,
            params_schema=schema,
            settings=settings,
            settings_schema=_derive_schema(settings) if settings is not None else {},
        )

    return mark


def source(name: str) -> Callable[[Callable[[], Any]], Source]:
    """Makes a source of a function that gives items: a list, or one by one as a generator."""
    _check_name("source", name)

    def mark(function: Callable[[], Any]) -> Source:
        return Source(name=name, function=function)

    return mark


def backoff(name: str) -> Callable[[Callable[[Backoff], wait_base]], BackoffType]:
    """Makes a backoff type of a function from the declaration to a tenacity wait strategy."""
    _check_name("backoff", name)

    def mark(build: Callable[[Backoff], wait_base]) -> BackoffType:
        return BackoffType(name=name, build=build)

    return mark


def secret_provider(name: str) -> Callable[[Callable[[str], str]], SecretProvider]:
    """Makes the resolver of `secret://NAME/PATH` of a function from path to text."""
    _check_name("secret_provider", name)

    def mark(resolve: Callable[[str], str]) -> SecretProvider:
        return SecretProvider(name=name, resolve=resolve)

    return mark


def _check_name(decorator: str, name: object) -> None:
    if not isinstance(name, str) or not name:
        raise TypeError(f"@{decorator} takes a name, as in @{decorator}('shop.greet')")


def _derive_schema(params: type) -> Mapping[str, Any]:
    """Derives a JSON Schema in which a key that the class lacks is a mistake, not ignored."""
    schema = msgspec.json.schema(params)
    for part in (schema, *schema.get("$defs", {}).values()):
        if "properties" in part:
            part.setdefault("additionalProperties", False)
    return schema
