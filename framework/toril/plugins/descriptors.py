"""What plugins bring, as frozen data; the decorators make them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tenacity.wait import wait_base

from toril.declarations.backoff import Backoff


@dataclass(frozen=True, kw_only=True, slots=True)
class Processor:
    """The code of a job type: `function(job)`, and after it `params` and `settings` if declared."""

    name: str
    function: Callable[..., Any]
    #: A msgspec.Struct or dataclass that `with:` is converted to, or None: no parameters.
    params: type | None = None
    #: JSON Schema of `with:`, derived from `params`; `@processor` refuses unknown keys by it.
    params_schema: Mapping[str, Any] = field(default_factory=dict)
    #: A class as `params` that the plugin's own part of `plugins.config` is converted to, or None.
    settings: type | None = None
    #: JSON Schema of that part.
    settings_schema: Mapping[str, Any] = field(default_factory=dict)
    #: What `plugins.config` says; the manager fills it in.
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_async(self) -> bool:
        """Whether it runs on the loop; a plain function runs in a thread."""
        return inspect.iscoroutinefunction(self.function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function itself, so that plugins' own tests can."""
        return self.function(*args, **kwargs)


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """What a schedule's `foreach` takes its items from: `function()`.

    A plain function or a coroutine function that gives an iterable, or a generator of either kind;
    each item is JSON.
    """

    name: str
    function: Callable[[], Any]

    def __call__(self) -> Any:
        """Calls the function itself, so that plugins' own tests can."""
        return self.function()


@dataclass(frozen=True, kw_only=True, slots=True)
class BackoffType:
    """A backoff type: builds a tenacity wait strategy from the declaration."""

    name: str
    build: Callable[[Backoff], wait_base]


@dataclass(frozen=True, kw_only=True, slots=True)
class SecretProvider:
    """Resolves `secret://NAME/PATH`; `resolve(path)` gives the text or raises SecretError."""

    name: str
    resolve: Callable[[str], str]
