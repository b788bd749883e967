"""Commands as Toril jobs: the plugin `shell`."""

from __future__ import annotations

from toril import hookimpl
from toril_shell.run import run

__all__ = ["run"]


@hookimpl
def toril_processors() -> list[object]:
    """Brings `shell.run`."""
    return [run]
