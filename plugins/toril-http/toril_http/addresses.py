"""Connects to the very address that was checked: public, unless others are allowed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import httpx2

from toril import Unrecoverable

#: Gives the addresses of a host and port.
Resolve = Callable[[str, int], Awaitable[list[str]]]

_NAT64 = IPv6Network("64:ff9b::/96")


class PrivateAddress(Unrecoverable):
    """The address is not a public one, and the job may not reach others."""


class CheckedTransport(httpx2.AsyncBaseTransport):
    """Resolves each host once, checks every address, and connects to those alone.

    So neither another spelling, a redirect nor a name that changes its mind leads elsewhere. `Host`
    and the name in the certificate stay those of the URL.
    """

    def __init__(
        self, inner: httpx2.AsyncBaseTransport, *, allow_private: bool, resolve: Resolve
    ) -> None:
        self._inner = inner
        self._allow_private = allow_private
        self._resolve = resolve

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        port = url.port or (443 if url.scheme == "https" else 80)
        addresses = await self._resolve(url.host, port)
        if not self._allow_private:
            for address in addresses:
                check_public(url.host, address)
        failure: httpx2.TransportError = httpx2.ConnectError("the host has no address")
        for address in addresses:
            request.url = url.copy_with(host=address)
            request.extensions = {**request.extensions, "sni_hostname": url.host}
            try:
                return await self._inner.handle_async_request(request)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                failure = error
            finally:
                request.url = url
        raise failure

    async def aclose(self) -> None:
        await self._inner.aclose()


async def resolve(host: str, port: int) -> list[str]:
    """Asks the system, which also reads spellings such as `0x7f.1`."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpx2.ConnectError(f"cannot resolve {host!r}") from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def check_public(host: str, text: str) -> None:
    """Raises PrivateAddress for an address that is not on the public internet."""
    if not _is_public(ip_address(text)):
        raise PrivateAddress(
            f"host {host!r} has the address {text}, which is not public; set `allow_private` to "
            "let the job reach it"
        )


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address):
        inner = _find_inner(address)
        if inner is not None:
            return _is_public(inner)
        if address.is_site_local:
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def _find_inner(address: IPv6Address) -> IPv4Address | None:
    """Gives the IPv4 address that an IPv6 address stands for."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    if address.teredo is not None:
        return address.teredo[1]
    return address.ipv4_mapped or address.sixtofour
