"""Tests of runtime/packing.py."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toril.errors import PayloadTooLarge
from toril.runtime import packing
from toril.runtime.packing import decode_ids, pack, unpack

VALUES = st.recursive(
    st.booleans() | st.integers(-(2**53), 2**53) | st.binary(), lambda inner: st.lists(inner)
)


@given(VALUES)
def test_what_is_packed_comes_back(value) -> None:
    assert unpack(pack(value)) == value


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_text_and_bytes_are_the_same_to_lua(text: str) -> None:
    assert pack(text) == pack(text.encode())


def test_the_old_format_is_written() -> None:
    assert pack(b"x" * 40)[0] == 0xDA, "bin and str8 are unknown to old servers"


def test_a_call_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "MAX_BYTES", 10)

    with pytest.raises(PayloadTooLarge) as caught:
        pack(b"x" * 20)

    assert str(caught.value) == ("one call may carry 10 bytes, got 21; send fewer or smaller jobs")


def test_an_empty_list_may_come_as_an_empty_map() -> None:
    assert decode_ids(unpack(msgpack.packb({}))) == []
    assert decode_ids([b"a", b"\xff"]) == ["a", "\ufffd"]
