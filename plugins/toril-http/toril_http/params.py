"""What `with:` and `plugins.config.http` may say."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from msgspec import UNSET, Meta, Struct, UnsetType

from toril import parse_duration_ms, parse_size

Status = Annotated[int, Meta(ge=100, le=599)]
_ORIGIN = re.compile(r"https?://[^/?#\\{}\s]+(?=[/?#]|$)", re.IGNORECASE)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class HttpSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the plugin: what holds where a job says nothing else."""

    #: For the whole request, redirects and answer included.
    timeout: str = "30s"
    connect_timeout: str = "10s"
    #: The largest body that is read.
    max_response: str = "1mb"
    user_agent: str = "toril-http"
    #: Lets every job reach addresses that are not public.
    allow_private: bool = False

    def __post_init__(self) -> None:
        _check_units(self.timeout, self.connect_timeout, size=self.max_response)
        _check_header_text("user_agent", self.user_agent)


class RequestParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of `http.request`."""

    #: `{data.name}` after the host is filled in from the job's data, percent-encoded.
    url: str
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = "GET"
    headers: dict[str, str] = {}
    query: dict[str, str] = {}
    #: A body of JSON, of text, or the job's data as JSON; one of the three.
    json: Any | UnsetType = UNSET
    text: str | None = None
    send_data: bool = False
    #: Sends the job's id as `Idempotency-Key`, the same for each attempt.
    idempotency_key: bool = False
    timeout: str | None = None
    max_response: str | None = None
    #: How many redirects are followed.
    redirects: Annotated[int, Meta(ge=0, le=10)] = 0
    allow_private: bool = False
    #: Statuses that complete the job; none: 200 to 299.
    ok_statuses: tuple[Status, ...] = ()
    #: Statuses below 500 that are worth another attempt.
    retry_statuses: tuple[Status, ...] = (408, 425, 429)
    #: The longest pause that `Retry-After` may ask for.
    max_retry_after: str = "1h"
    #: Headers of the answer to keep in the result.
    keep_headers: tuple[str, ...] = ("content-type",)

    def __post_init__(self) -> None:
        _check_units(self.timeout, self.max_retry_after, size=self.max_response)
        for name, value in self.headers.items():
            if not _HEADER_NAME.fullmatch(name):
                raise ValueError(f"this cannot be the name of a header: {name!r}")
            _check_header_text(f"header {name!r}", value)
        if not _has_origin(self.url):
            raise ValueError(
                "expected a url such as https://HOST/PATH/{data.name}, its host written out"
            )
        if (self.json is not UNSET) + (self.text is not None) + self.send_data > 1:
            raise ValueError("only one of json, text and send_data can be given")


def is_header_text(text: str) -> bool:
    """Whether a header can carry it."""
    return text.isascii() and text.isprintable()


def _has_origin(url: str) -> bool:
    found = _ORIGIN.match(url)
    if found is None:
        return False
    try:
        origin = urlsplit(found[0])
        return bool(origin.hostname) and origin.port != 0
    except ValueError:
        return False


def _check_header_text(what: str, text: str) -> None:
    # The text may be a secret, so it is not shown.
    if not is_header_text(text):
        raise ValueError(f"{what}: expected printable ASCII")


def _check_units(*durations: str | None, size: str | None) -> None:
    for duration in durations:
        if duration is not None and parse_duration_ms(duration) <= 0:
            raise ValueError(f"expected a duration above 0s, got {duration!r}")
    if size is not None:
        parse_size(size)
