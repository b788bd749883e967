"""Requests to a real server: what is sent, what comes back, what a status means."""

from __future__ import annotations

import gzip
import json
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from toril import RateLimited, Unrecoverable
from toril_http.params import HttpSettings, RequestParams
from toril_http.request import RequestFailed, request
from toril_http.retry_after import parse_retry_after


def make_job(data: Any = None) -> Any:
    return SimpleNamespace(id="job-1", data={} if data is None else data)


async def ask(url: str, data: Any = None, **params: Any) -> dict[str, Any]:
    taken = msgspec.convert({"url": url, "allow_private": True} | params, type=RequestParams)
    result: dict[str, Any] = await request(make_job(data), taken, HttpSettings())
    return result


async def test_an_answer_of_json_is_the_result(peer: Any) -> None:
    peer.answers["/users/7"] = (200, {"Content-Type": "application/json"}, b'{"name": "Ada"}')

    result = await ask(peer.url + "/users/{data.id}", {"id": 7})

    assert result.pop("elapsed_ms") >= 0
    assert result == {
        "status": 200,
        "headers": {"content-type": "application/json"},
        "body": {"name": "Ada"},
    }


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        ('{"id": 9007199254740993, "n": -7}', {"id": "9007199254740993", "n": -7}),
        ("[1e999, 1.5]", ["1e999", 1.5]),
        ("NaN", "NaN"),
        ('["\\ud800"]', '["\\ud800"]'),
        ("[" * 300 + "]" * 300, "[" * 300 + "]" * 300),
        ("[" * 100_000, "[" * 100_000),
    ],
)
async def test_a_body_that_no_result_could_hold_does_not_fail_the_job(
    peer: Any, body: str, kept: Any
) -> None:
    """The request was made: its answer is kept in a form that can be stored."""
    peer.answers["/"] = (200, {"Content-Type": "application/json"}, body.encode())

    result = await ask(peer.url + "/")

    assert result["body"] == kept


async def test_method_headers_query_and_body_are_sent(peer: Any) -> None:
    await ask(
        f"{peer.url}/orders?a=1",
        {"total": 12},
        method="POST",
        headers={"Authorization": "Bearer x"},
        query={"page": "2 of 3"},
        send_data=True,
        idempotency_key=True,
    )

    (asked,) = peer.asked
    assert (asked.method, asked.path) == ("POST", "/orders?a=1&page=2+of+3")
    assert asked.headers["Authorization"] == "Bearer x"
    assert asked.headers["Content-Type"] == "application/json"
    assert asked.headers["Idempotency-Key"] == "job-1"
    assert json.loads(asked.body) == {"total": 12}


async def test_a_value_of_the_data_stays_one_segment(peer: Any) -> None:
    await ask(peer.url + "/users/{data.id}/x", {"id": "../a?b#c/ü"})

    assert peer.asked[0].path == "/users/..%2Fa%3Fb%23c%2F%C3%BC/x"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({}, "the url needs 'id', which the job's data lacks"),
        ({"id": ".."}, "the url cannot hold '..' as 'id'"),
        ({"id": [1]}, "the url needs text or a number as 'id', got [1]"),
        ({"id": "\ud800"}, "the url cannot hold '\\ud800' as 'id'"),
    ],
)
async def test_data_that_cannot_fill_the_url_is_not_tried_again(
    peer: Any, data: Any, reason: str
) -> None:
    with pytest.raises(Unrecoverable) as raised:
        await ask(peer.url + "/users/{data.id}", data)

    assert str(raised.value) == reason
    assert peer.asked == []


async def test_a_job_id_of_any_text_is_sent_as_its_key(peer: Any) -> None:
    params = RequestParams(url=peer.url, allow_private=True, idempotency_key=True)

    await request(SimpleNamespace(id="Zürich\n7%", data={}), params, HttpSettings())

    assert peer.asked[0].headers["Idempotency-Key"] == "Z%C3%BCrich%0A7%25"


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_limits_the_queue(peer: Any, status: int) -> None:
    peer.answers["/"] = (status, {"Retry-After": "17"}, b"")

    with pytest.raises(RateLimited) as raised:
        await ask(peer.url + "/")

    assert raised.value.retry_after == 17


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, Unrecoverable),
        (404, Unrecoverable),
        (302, Unrecoverable),
        (408, RequestFailed),
        (429, RequestFailed),
        (500, RequestFailed),
        (503, RequestFailed),
    ],
)
async def test_a_status_says_whether_another_attempt_is_worth_it(
    peer: Any, status: int, error: type[Exception]
) -> None:
    peer.answers["/secret"] = (status, {}, b"")

    with pytest.raises(error) as raised:
        await ask(peer.url + "/secret?key=canary")

    assert str(raised.value) == f"GET {peer.url} answered {status}"


async def test_which_statuses_are_fine_or_worth_another_attempt_is_a_parameter(peer: Any) -> None:
    peer.answers["/"] = (404, {}, b"")

    assert (await ask(peer.url + "/", ok_statuses=[200, 404]))["status"] == 404
    with pytest.raises(RequestFailed):
        await ask(peer.url + "/", retry_statuses=[404])


async def test_a_slow_answer_and_a_closed_port_are_tried_again(peer: Any) -> None:
    with pytest.raises(RequestFailed, match="did not end in time"):
        await ask(peer.url + "/slow", timeout="100ms")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(RequestFailed, match="ConnectError"):
            await ask(f"http://127.0.0.1:{closed.getsockname()[1]}/")


async def test_a_body_over_the_limit_is_refused_while_it_comes(peer: Any) -> None:
    peer.answers["/large"] = (200, {}, b"x" * 3_000_000)
    peer.answers["/bomb"] = (200, {"Content-Encoding": "gzip"}, gzip.compress(b"x" * 3_000_000))

    for path in ("/large", "/bomb"):
        with pytest.raises(Unrecoverable, match="answered with more than 1048576 bytes"):
            await ask(peer.url + path)


async def test_a_redirect_is_followed_only_when_asked_to(peer: Any) -> None:
    peer.answers["/old"] = (302, {"Location": "/new"}, b"")

    result = await ask(peer.url + "/old", redirects=1, headers={"X-Key": "k"}, method="POST")

    assert result["body"] == "fine"
    assert [(one.method, one.path) for one in peer.asked] == [("POST", "/old"), ("GET", "/new")]
    assert peer.asked[1].headers["X-Key"] == "k"


async def test_a_redirect_to_a_port_that_cannot_be_ends_the_job(peer: Any) -> None:
    peer.answers["/a"] = (302, {"Location": "http://a.example:99999/"}, b"")

    with pytest.raises(Unrecoverable, match="redirects to what is no url"):
        await ask(peer.url + "/a", redirects=3)


async def test_headers_stay_behind_when_a_redirect_leads_elsewhere(peer: Any) -> None:
    peer.answers["/old"] = (302, {"Location": f"http://localhost:{peer.port}/new"}, b"")

    await ask(peer.url + "/old", redirects=1, headers={"X-Key": "canary"})

    assert "canary" not in str(peer.asked[1].headers)


async def test_redirects_in_a_circle_end(peer: Any) -> None:
    peer.answers["/a"] = (302, {"Location": "/a"}, b"")

    with pytest.raises(Unrecoverable, match="more than 3 redirects"):
        await ask(peer.url + "/a", redirects=3)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("17", 17),
        ("0", 1),
        ("9" * 400, 3600),
        (format_datetime(datetime(2026, 1, 1, 0, 1, tzinfo=UTC), usegmt=True), 60),
        (format_datetime(datetime(2025, 1, 1, tzinfo=UTC), usegmt=True), 1),
        ("soon", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str | None, seconds: float | None) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)

    assert parse_retry_after(text, now=now, most_s=3600) == seconds
    assert parse_retry_after("5", now=now + timedelta(days=1), most_s=3) == 3


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"url": "ftp://a/"}, "expected a url such as"),
        ({"url": "https://{host}/"}, "expected a url such as"),
        ({"url": "https://a.example{rest}"}, "expected a url such as"),
        ({"url": "https://:80/"}, "expected a url such as"),
        ({"url": "https://a:99999/"}, "expected a url such as"),
        ({"url": "https://a/", "headers": {"X Y": "1"}}, "cannot be the name of a header: 'X Y'"),
        ({"url": "https://a/", "headers": {"X": "1\n2"}}, "header 'X': expected printable ASCII"),
        ({"url": "https://a/", "headers": {"X": "Zürich"}}, "header 'X': expected printable ASCII"),
        ({"url": "https://a/", "json": 1, "text": "x"}, "only one of json, text and send_data"),
        ({"url": "https://a/", "timeout": "0s"}, "expected a duration above 0s, got '0s'"),
        ({"url": "https://a/", "max_response": "1"}, "expected a size such as"),
    ],
)
def test_parameters_that_make_no_request_are_refused(params: dict[str, Any], reason: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=reason):
        msgspec.convert(params, type=RequestParams)


def test_a_user_agent_that_no_request_can_carry_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="user_agent: expected printable ASCII"):
        msgspec.convert({"user_agent": "Zürich"}, type=HttpSettings)
