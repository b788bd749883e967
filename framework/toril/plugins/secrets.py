"""Secret references: `secret://PROVIDER/PATH`, resolved by the provider of that name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from toril.errors import SecretError
from toril.plugins.descriptors import SecretProvider

_reference = re.compile(r"secret://([A-Za-z0-9_.-]+)/(.+)", re.DOTALL)


def is_secret(value: object) -> bool:
    """Whether the value is a `secret://` reference."""
    return isinstance(value, str) and value.startswith("secret://")


def resolve_secret(reference: str, providers: Mapping[str, SecretProvider]) -> str:
    """Gives the text behind a reference; raises SecretError, which never shows the text."""
    match = _reference.fullmatch(reference)
    if match is None:
        raise SecretError(f"expected secret://PROVIDER/PATH, got {reference!r}")
    name, path = match.groups()
    if name not in providers:
        raise SecretError(f"no secret provider {name!r} for {reference!r}{_hint(name, providers)}")
    try:
        text = providers[name].resolve(path)
    except SecretError:
        raise
    except Exception as error:
        raise SecretError(
            f"{reference!r} cannot be resolved: provider {name!r} raised {type(error).__name__}"
        ) from error
    if not isinstance(text, str):
        raise SecretError(
            f"{reference!r} cannot be resolved: provider {name!r} gave a "
            f"{type(text).__name__}, expected text"
        )
    return text


def _hint(name: str, providers: Mapping[str, SecretProvider]) -> str:
    close = difflib.get_close_matches(name, providers, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(providers)}"
