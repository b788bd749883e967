"""A call: one Redis operation as data, built by `runtime/calls/`, sent by a sender."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from toril.errors import TorilError

T = TypeVar("T")

#: What a call hands to Redis; floats and bools have no place on this wire.
Arg = bytes | str | int | float


class Call(msgspec.Struct, Generic[T], frozen=True):
    """A script or a plain command, and how its reply is read.

    A struct: it is made in a tenth of a frozen dataclass's time.
    """

    #: `lua/NAME.lua`, or None: a plain command whose name is `args[0]`.
    script: str | None
    keys: tuple[str, ...]
    args: tuple[Arg, ...]
    #: Takes the script's reply, or what redis-py makes of a plain command's.
    parse: Callable[[Any], T]
    #: The server may hold its reply back: it needs a connection of its own.
    waits: bool = False


def parse_reply(call: Call[Any], reply: Any) -> Any:
    """Reads one of many replies; a refusal stands in its place, for it is that one call's alone."""
    try:
        return call.parse(reply)
    except TorilError as error:
        return error
