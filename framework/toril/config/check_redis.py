"""Checks `redis`: a URL that can be read, as far as it stands in the file."""

from __future__ import annotations

from toril.config.context import Context
from toril.declarations.redis_url import explain_bad_url


def check_redis(context: Context) -> None:
    """Checks the URL, and what does not go with it; a secret one is read where it is used."""
    top, path = context.top, ("redis", "url")
    section = top.value.get("redis") if isinstance(top.value, dict) else None
    if not isinstance(section, dict) or "url" not in section or path in top.bad:
        return
    url = section["url"]
    if url == "embedded":
        return
    # With a variable, the file may serve an embedded server somewhere else.
    if "fsync" in section and path not in top.variables:
        message = "'fsync' has no effect: it is for the embedded server"
        hint = "set appendfsync in the server's own settings"
        top.add("T212", ("redis", "fsync"), message, hint=hint, at_key=True)
    if url.startswith("secret://"):
        return
    reason = explain_bad_url(url)
    if reason is not None:
        expected, _, hint = reason.partition("; ")
        top.add("T103", path, f"{expected} for redis.url", hint=hint or None)
