"""The built-in plugin `core`: the backoff types and secret providers that are always there."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from toril.declarations.backoff import BUILTIN_BACKOFFS
from toril.errors import SecretError
from toril.plugins.decorators import hookimpl, secret_provider
from toril.plugins.descriptors import BackoffType, SecretProvider


@secret_provider("env")
def read_environment(path: str) -> str:
    """Gives an environment variable."""
    try:
        return os.environ[path]
    except KeyError:
        raise SecretError(
            f"environment variable {path!r} is not set; set it, or change 'secret://env/{path}'"
        ) from None


@secret_provider("file")
def read_secret_file(path: str) -> str:
    """Gives a file's text without its last line break; the path starts at the root."""
    file = Path("/") / path
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SecretError(f"secret file {str(file)!r} cannot be read: {reason}") from error
    return text.removesuffix("\n").removesuffix("\r")


@hookimpl
def toril_backoffs() -> Iterable[BackoffType]:
    return [BackoffType(name=name, build=build) for name, build in BUILTIN_BACKOFFS.items()]


@hookimpl
def toril_secret_providers() -> Iterable[SecretProvider]:
    return [read_environment, read_secret_file]
