"""URLs of Redis that can be used, and what is said of others."""

from __future__ import annotations

import pytest

from toril.declarations.redis_url import explain_bad_url


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://:p%23ss@localhost:6379/3",
        "rediss://me:word@[::1]:6380/0?ssl_cert_reqs=none",
        "unix:///run/redis.sock?db=2",
        "unix://me:word@/run/redis.sock",
    ],
)
def test_a_url_that_can_be_used_is_not_refused(url: str) -> None:
    assert explain_bad_url(url) is None


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("redis://h:99999", "expected redis://USER:PASSWORD@HOST:PORT/DB with a port up to 65535"),
        ("redis://h:port", "expected redis://USER:PASSWORD@HOST:PORT/DB with a port up to 65535"),
        ("redis://me:a#b@h:1", "expected redis://USER:PASSWORD@HOST:PORT/DB with a port"),
        ("redis://me:a/b@h:1", "expected redis://USER:PASSWORD@HOST:PORT/DB with a port"),
        ("redis://h/jobs", "expected the number of a database behind '/'"),
        ("redis://", "expected a host"),
        ("redis://h?protocol=3", "expected no option behind '?' but db, username, password"),
        ("unix://", "expected a path, as in unix:///run/redis.sock"),
    ],
)
def test_a_url_that_cannot_be_used_is_explained(url: str, sentence: str) -> None:
    assert (explain_bad_url(url) or "").startswith(sentence)
