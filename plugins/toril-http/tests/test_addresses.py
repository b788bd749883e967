"""Where a request may lead: all spellings of private addresses, redirects, names that change."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from toril import Unrecoverable
from toril_http.addresses import PrivateAddress, check_public
from toril_http.params import HttpSettings, RequestParams
from toril_http.request import request, send


def make_job() -> Any:
    return SimpleNamespace(id="job-1", data={})


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "[fe80::1]",
        "[fc00::1]",
        "[fec0::1]",
        "[ff02::1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[::127.0.0.1]",
    ],
)
async def test_an_address_that_is_not_public_is_refused_in_every_spelling(
    peer: Any, host: str
) -> None:
    params = RequestParams(url=f"http://{host}:{peer.port}/")

    with pytest.raises(PrivateAddress, match="which is not public; set `allow_private`"):
        await request(make_job(), params, HttpSettings())

    assert peer.asked == []


@pytest.mark.parametrize("host", ["0177.0.0.1", "①②⑦.⓪.⓪.①"])
async def test_a_host_that_is_no_name_and_no_plain_address_is_refused(peer: Any, host: str) -> None:
    params = RequestParams(url=f"http://{host}:{peer.port}/", allow_private=True)

    with pytest.raises(Unrecoverable):
        await request(make_job(), params, HttpSettings())

    assert peer.asked == []


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f::1", "64:ff9b::5db8:d70e"])
def test_a_public_address_is_accepted(address: str) -> None:
    check_public("shop.example", address)


async def test_the_address_that_was_checked_is_the_one_that_is_reached(peer: Any) -> None:
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    params = RequestParams(url=f"http://shop.example:{peer.port}/", allow_private=True)

    result = await send(make_job(), params, HttpSettings(), resolve=resolve)

    assert (result["status"], asked) == (200, ["shop.example"])
    assert peer.asked[0].headers["Host"] == f"shop.example:{peer.port}"


async def test_a_name_with_one_private_address_among_others_is_refused() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["93.184.215.14", "10.0.0.1"]

    params = RequestParams(url="http://shop.example/")
    with pytest.raises(PrivateAddress, match=r"'shop\.example' has the address 10\.0\.0\.1"):
        await send(make_job(), params, HttpSettings(), resolve=resolve)


async def test_the_next_hop_of_a_redirect_is_checked_again(peer: Any) -> None:
    peer.answers["/"] = (302, {"Location": "http://2130706433:1/"}, b"")
    hops: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        hops.append(host)
        return ["127.0.0.1"]

    params = RequestParams(url=f"http://shop.example:{peer.port}/", redirects=3, allow_private=True)
    with pytest.raises(Exception, match="ConnectError"):
        await send(make_job(), params, HttpSettings(), resolve=resolve)

    assert hops == ["shop.example", "2130706433"]
