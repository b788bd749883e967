"""What a `redis.url` can say, and what is wrong with one that cannot be used."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

SCHEMES = ("redis://", "rediss://", "unix://")

_FORM = "redis://USER:PASSWORD@HOST:PORT/DB"
_OPTIONS = ("db", "username", "password")


def explain_bad_url(url: str) -> str | None:
    """Says what is wrong with a URL, or None if it can be used; never shows a part of it.

    Anything in it may belong to a password whose special characters were not escaped.
    """
    try:
        parts = urlsplit(url)
        is_port_right = parts.port is None or parts.port > 0
    except ValueError:
        is_port_right = False
    if not is_port_right or parts.fragment:
        return (
            f"expected {_FORM} with a port up to 65535; '#', '/', '?', '@' and '%' in a password "
            "are written %23, %2F, %3F, %40 and %25"
        )
    for option, _ in parse_qsl(parts.query, keep_blank_values=True):
        if option not in _OPTIONS and not option.startswith("ssl_"):
            return "expected no option behind '?' but db, username, password and ssl_..."
    if parts.scheme == "unix":
        return None if parts.path.strip("/") else "expected a path, as in unix:///run/redis.sock"
    if not parts.hostname:
        return f"expected a host, as in {_FORM}"
    if parts.path.strip("/") and not parts.path.strip("/").isdecimal():
        return f"expected the number of a database behind '/', as in {_FORM}"
    return None
