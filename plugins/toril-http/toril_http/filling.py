"""Fills in the `{data.name}` of a URL from a job's data."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from toril import Unrecoverable

_PLACE = re.compile(r"\{data\.([A-Za-z_][A-Za-z0-9_]*)\}")


def fill_url(url: str, data: Any) -> str:
    """Percent-encodes every value whole, so that none adds a segment, a query or a host."""
    return _PLACE.sub(lambda found: _encode(found[1], data), url)


def _encode(name: str, data: Any) -> str:
    if not isinstance(data, dict) or name not in data:
        raise Unrecoverable(f"the url needs {name!r}, which the job's data lacks")
    value = data[name]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Unrecoverable(f"the url needs text or a number as {name!r}, got {value!r}")
    text = str(value)
    try:
        if text not in ("", ".", ".."):
            return quote(text, safe="")
    except UnicodeEncodeError:
        pass  # Half of a surrogate pair, which JSON can write but nobody can send.
    raise Unrecoverable(f"the url cannot hold {text!r} as {name!r}")
