"""Redis's protocol, RESP2: commands to bytes, and bytes to replies as they come in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from redis._parsers.base import BaseParser
from redis.exceptions import InvalidResponse

from toril.runtime.call import Arg, Call

_SIMPLE, _ERROR, _INTEGER, _BULK, _ARRAY = b"+-:$*"

#: What stands before a short value, by its length: to format it takes longer than all else.
_HEADS = tuple(b"$%d\r\n" % size for size in range(256))


def pack_command(parts: Sequence[Arg]) -> bytes:
    """Gives a command as the server reads it."""
    return b"*%d\r\n" % len(parts) + pack_parts(parts)


def pack_parts(parts: Sequence[Arg]) -> bytes:
    """Gives parts of a command, without their number."""
    packed: list[bytes] = []
    for part in parts:
        value = part if type(part) is bytes else str(part).encode()
        size = len(value)
        packed += (_HEADS[size] if size < len(_HEADS) else b"$%d\r\n" % size, value, b"\r\n")
    return b"".join(packed)


def shape_reply(call: Call[Any], reply: Any, shapes: Mapping[Any, Any]) -> Any:
    """Makes of a plain command's reply what redis-py makes of it, by its own `shapes`."""
    if call.script is not None:
        return reply
    shape = shapes.get(str(call.args[0]))
    return reply if shape is None else shape(reply)


class ReplyReader:
    """Makes replies of what a connection brings, in whatever pieces that comes.

    An error is a reply too: redis-py's exception for it, to be raised by whoever asked.
    """

    def __init__(self) -> None:
        self._held: list[bytes] = []
        #: How much has to be there before it is worth a look: a large value comes in many pieces.
        self._needed = 0
        #: Arrays that are not complete, the innermost last, with how many elements each will have.
        self._open: list[tuple[list[Any], int]] = []

    def feed(self, data: bytes) -> list[Any]:
        """Takes a piece, and gives the replies that it completes."""
        if self._held:
            self._held.append(data)
            if sum(map(len, self._held)) < self._needed:
                return []
            data = b"".join(self._held)
            self._held = []
        replies: list[Any] = []
        self._needed = at = 0
        while (line_end := data.find(b"\r\n", at)) >= 0:
            kind, text, end = data[at], data[at + 1 : line_end], line_end + 2
            value: Any
            if kind == _BULK and text != b"-1":
                start, end = end, end + int(text) + 2
                if len(data) < end:
                    self._needed = end - at
                    break
                value = data[start : end - 2]
            elif kind == _ARRAY and int(text) > 0:
                self._open.append(([], int(text)))
                at = end
                continue
            else:
                value = _read_line(kind, text)
            at = end
            self._put(value, replies)
        if at < len(data):
            self._held = [data[at:]]
        return replies

    def _put(self, value: Any, replies: list[Any]) -> None:
        """Puts a value where it belongs: into the innermost array, which it may complete."""
        while self._open:
            array, size = self._open[-1]
            array.append(value)
            if len(array) < size:
                return
            value, _ = self._open.pop()
        replies.append(value)


def _read_line(kind: int, text: bytes) -> Any:
    if kind == _SIMPLE:
        return text
    if kind == _INTEGER:
        return int(text)
    if kind == _ERROR:
        return BaseParser.parse_error(text.decode("utf-8", "replace"))  # type: ignore[no-untyped-call]
    if kind in (_BULK, _ARRAY):
        return [] if text == b"0" else None
    raise InvalidResponse(f"expected a reply, got {bytes([kind]) + text!r}")
