"""Tests of Redis's protocol: commands to bytes, bytes to replies."""

from __future__ import annotations

from typing import Any

import pytest
from redis.exceptions import InvalidResponse, NoScriptError, ResponseError

from toril.runtime.resp import ReplyReader, pack_command

#: What a server may send, and what is read of it.
REPLIES: list[tuple[bytes, Any]] = [
    (b"+OK\r\n", b"OK"),
    (b"+\r\n", b""),
    (b":-12\r\n", -12),
    (b"$-1\r\n", None),
    (b"$0\r\n\r\n", b""),
    (b"$8\r\na\r\n$1\r\nb\r\n", b"a\r\n$1\r\nb"),
    (b"*-1\r\n", None),
    (b"*0\r\n", []),
    (b"*3\r\n$1\r\na\r\n*2\r\n:1\r\n*0\r\n$-1\r\n", [b"a", [1, []], None]),
]


def test_a_command_is_packed_as_bulk_strings_of_counted_bytes() -> None:
    packed = pack_command(("SET", b"\r\n", "ö", 12, 0.5))

    assert packed == b"*5\r\n$3\r\nSET\r\n$2\r\n\r\n\r\n$2\r\n\xc3\xb6\r\n$2\r\n12\r\n$3\r\n0.5\r\n"


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 1000])
def test_replies_are_read_in_whatever_pieces_they_come(size: int) -> None:
    sent = b"".join(data for data, _ in REPLIES)
    reader = ReplyReader()

    pieces = [sent[at : at + size] for at in range(0, len(sent), size)]
    read = [reply for piece in pieces for reply in reader.feed(piece)]

    assert read == [reply for _, reply in REPLIES]


def test_a_large_value_is_put_together_once() -> None:
    reader, piece = ReplyReader(), b"x" * 1000

    assert reader.feed(b"$1000000\r\n") == []
    assert [reply for _ in range(1000) for reply in reader.feed(piece)] == []
    assert reader.feed(b"\r\n+OK\r\n") == [piece * 1000, b"OK"]


def test_errors_are_replies_of_the_class_that_redis_py_has_for_them() -> None:
    plain, missing, [nested] = ReplyReader().feed(
        b"-ERR odd\r\n-NOSCRIPT No matching script.\r\n*1\r\n-WRONGTYPE Operation\r\n"
    )

    assert (type(plain), str(plain)) == (ResponseError, "odd")
    assert type(missing) is NoScriptError
    assert str(nested) == "WRONGTYPE Operation"


def test_what_is_no_reply_is_refused() -> None:
    with pytest.raises(InvalidResponse, match=r"expected a reply, got b'HTTP/1.1 400'"):
        ReplyReader().feed(b"HTTP/1.1 400\r\n")
