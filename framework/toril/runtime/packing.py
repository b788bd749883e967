"""MessagePack, in which scripts take and give many values as one."""

from __future__ import annotations

from typing import Any

import msgpack  # type: ignore[import-untyped]  # it ships none

from toril.errors import PayloadTooLarge

#: Redis takes no argument over 512 MB; a call that large would also hold the server for too long.
MAX_BYTES = 256 * 1024 * 1024


def pack(value: Any) -> bytes:
    """Packs an argument in the old format, whose only text type is the bytes that Lua knows."""
    packed: bytes = msgpack.packb(value, use_bin_type=False)
    if len(packed) > MAX_BYTES:
        raise PayloadTooLarge(
            f"one call may carry {MAX_BYTES} bytes, got {len(packed)}; send fewer or smaller jobs"
        )
    return packed


def unpack(reply: bytes) -> Any:
    """Unpacks a reply; all text in it is bytes."""
    return msgpack.unpackb(reply, raw=True, strict_map_key=False)


def decode_ids(ids: Any) -> list[str]:
    """A list of ids as text; an empty one may come as an empty map."""
    return [raw.decode("utf-8", "replace") for raw in ids]
