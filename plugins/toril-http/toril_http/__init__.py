"""HTTP requests as Toril jobs: the plugin `http`."""

from __future__ import annotations

from toril import hookimpl
from toril_http.request import request

__all__ = ["request"]


@hookimpl
def toril_processors() -> list[object]:
    """Brings `http.request`."""
    return [request]
