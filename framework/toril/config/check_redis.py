"""Checks `redis.url`, as far as it stands in the file."""

from __future__ import annotations

from toril.config.context import Context
from toril.declarations.redis_url import explain_bad_url


def check_redis(context: Context) -> None:
    """Checks that the URL can be read; a secret one is read where it is used."""
    top, path = context.top, ("redis", "url")
    section = top.value.get("redis") if isinstance(top.value, dict) else None
    if not isinstance(section, dict) or "url" not in section or path in top.bad:
        return
    url = section["url"]
    if url == "embedded" or url.startswith("secret://"):
        return
    reason = explain_bad_url(url)
    if reason is not None:
        expected, _, hint = reason.partition("; ")
        top.add("T103", path, f"{expected} for redis.url", hint=hint or None)
