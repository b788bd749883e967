"""The processor `http.request`: one request, its answer as the result."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import quote

import httpx2
from msgspec import UNSET

from toril import Job, RateLimited, Unrecoverable, parse_duration_ms, parse_size, processor
from toril_http.addresses import CheckedTransport, Resolve, resolve
from toril_http.answer import read_body
from toril_http.filling import fill_url
from toril_http.params import HttpSettings, RequestParams, is_header_text
from toril_http.retry_after import parse_retry_after

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_LAST_PORT = 65_535


class RequestFailed(Exception):
    """The attempt failed; another one may do better."""


@processor("http.request", params=RequestParams, settings=HttpSettings)
async def request(job: Job, params: RequestParams, settings: HttpSettings) -> dict[str, Any]:
    """Sends the request; gives `status`, `headers`, `body` and `elapsed_ms`."""
    return await send(job, params, settings, resolve=resolve)


async def send(
    job: Job, params: RequestParams, settings: HttpSettings, *, resolve: Resolve
) -> dict[str, Any]:
    """Sends the request, with a way of one's own to resolve hosts."""
    started = time.monotonic()
    url = _make_url(job, params)
    origin = _name_origin(url)
    try:
        async with (
            asyncio.timeout(parse_duration_ms(params.timeout or settings.timeout) / 1000),
            _open_client(params, settings, resolve) as client,
        ):
            response, body = await _follow(client, job, params, settings, url)
    # Texts of these may hold the URL, and the URL a secret; so none is chained.
    except httpx2.InvalidURL:
        raise Unrecoverable(f"{origin} redirects to what is no url") from None
    except TimeoutError:
        raise RequestFailed(f"{params.method} {origin} did not end in time") from None
    except httpx2.HTTPError as error:
        raise RequestFailed(f"{params.method} {origin}: {type(error).__name__}") from None
    _judge(response, params, origin)
    return {
        "status": response.status_code,
        "headers": {
            name.lower(): response.headers[name]
            for name in params.keep_headers
            if name in response.headers
        },
        "body": read_body(response, body),
        "elapsed_ms": round((time.monotonic() - started) * 1000),
    }


def _make_url(job: Job, params: RequestParams) -> httpx2.URL:
    try:
        return httpx2.URL(fill_url(params.url, job.data)).copy_merge_params(params.query)
    except httpx2.InvalidURL:
        raise Unrecoverable("the url cannot be read once it is filled in") from None


def _open_client(
    params: RequestParams, settings: HttpSettings, resolve: Resolve
) -> httpx2.AsyncClient:
    # No connection is used twice: it was made for one host, and others may have its address.
    inner = httpx2.AsyncHTTPTransport(
        verify=_make_tls(), trust_env=False, limits=httpx2.Limits(max_keepalive_connections=0)
    )
    allow_private = params.allow_private or settings.allow_private
    connect_s = parse_duration_ms(settings.connect_timeout) / 1000
    return httpx2.AsyncClient(
        transport=CheckedTransport(inner, allow_private=allow_private, resolve=resolve),
        timeout=httpx2.Timeout(None, connect=connect_s),
        trust_env=False,
    )


@cache
def _make_tls() -> ssl.SSLContext:
    """Reads the certificates that are trusted, once in a process: that takes a while."""
    return httpx2.create_ssl_context(trust_env=False)


async def _follow(
    client: httpx2.AsyncClient,
    job: Job,
    params: RequestParams,
    settings: HttpSettings,
    url: httpx2.URL,
) -> tuple[httpx2.Response, bytes]:
    """Sends the request and follows redirects; on the way to another origin headers stay behind."""
    method, content = params.method, _make_body(job, params)
    headers = _make_headers(job, params, settings)
    most = parse_size(params.max_response or settings.max_response)
    for _ in range(params.redirects + 1):
        message = client.build_request(method, url, headers=headers, content=content)
        response = await client.send(message, stream=True)
        try:
            target = response.headers.get("location")
            if response.status_code not in _REDIRECTS or target is None or not params.redirects:
                return response, await _read_bounded(response, most)
        finally:
            await response.aclose()
        there = url.join(target)
        if there.port is not None and there.port > _LAST_PORT:
            raise httpx2.InvalidURL("no such port")
        if there.scheme not in ("http", "https"):
            raise Unrecoverable(f"{_name_origin(url)} redirects to a {there.scheme!r} address")
        if _name_origin(there) != _name_origin(url):
            headers = {"Accept-Encoding": "identity", "User-Agent": settings.user_agent}
            if content is not None and response.status_code in (307, 308):
                raise Unrecoverable(
                    f"{_name_origin(url)} redirects the body to {_name_origin(there)}; it is not "
                    "sent there"
                )
        if response.status_code == 303 or (response.status_code < 303 and method == "POST"):
            method, content = ("HEAD" if method == "HEAD" else "GET"), None
            headers.pop("Content-Type", None)
        url = there
    raise Unrecoverable(f"more than {params.redirects} redirects")


def _make_headers(job: Job, params: RequestParams, settings: HttpSettings) -> dict[str, str]:
    headers = {"Accept-Encoding": "identity", "User-Agent": settings.user_agent}
    if params.send_data or params.json is not UNSET:
        headers["Content-Type"] = "application/json"
    elif params.text is not None:
        headers["Content-Type"] = "text/plain; charset=utf-8"
    if params.idempotency_key:
        headers["Idempotency-Key"] = _quote_id(job.id)
    said = {name.lower() for name in params.headers}
    return {k: v for k, v in headers.items() if k.lower() not in said} | params.headers


def _quote_id(job_id: str) -> str:
    """Gives a job's id as a header can carry it."""
    return job_id if is_header_text(job_id) else quote(job_id, safe="")


def _make_body(job: Job, params: RequestParams) -> bytes | None:
    if params.send_data:
        return json.dumps(job.data).encode()
    if params.json is not UNSET:
        return json.dumps(params.json).encode()
    return params.text.encode() if params.text is not None else None


async def _read_bounded(response: httpx2.Response, most: int) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > most:
            raise Unrecoverable(
                f"{_name_origin(response.request.url)} answered with more than {most} bytes; raise "
                "`max_response`"
            )
    return bytes(body)


def _judge(response: httpx2.Response, params: RequestParams, origin: str) -> None:
    """Raises what the status means to the job, if it is no success."""
    status = response.status_code
    if status in params.ok_statuses if params.ok_statuses else 200 <= status < 300:
        return
    sentence = f"{params.method} {origin} answered {status}"
    if status in (429, 503):
        pause_s = parse_retry_after(
            response.headers.get("retry-after"),
            now=datetime.now(UTC),
            most_s=parse_duration_ms(params.max_retry_after) / 1000,
        )
        if pause_s is not None:
            raise RateLimited(pause_s, sentence)
    if status >= 500 or status in params.retry_statuses:
        raise RequestFailed(sentence)
    raise Unrecoverable(sentence)


def _name_origin(url: httpx2.URL) -> str:
    """Names where a URL leads; what comes after may hold a secret."""
    port = f":{url.port}" if url.port is not None else ""
    return f"{url.scheme}://{url.host}{port}"
