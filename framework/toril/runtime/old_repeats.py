"""Finding repeatable jobs of the kind that BullMQ had before its job schedulers."""

from __future__ import annotations

from typing import Any

from toril.runtime.call import Call
from toril.runtime.keys import QueueKeys
from toril.runtime.steps import Steps

_PAGE = 500


def find_old_repeats(keys: QueueKeys) -> Steps[list[str]]:
    """Gives the keys by which BullMQ knows them; nothing is changed."""
    found: list[str] = []
    first = 0
    while True:
        looked_at, names = yield _list_page(keys, first)
        found += names
        first += looked_at
        if looked_at < _PAGE:
            return found


def _list_page(keys: QueueKeys, first: int) -> Call[tuple[int, list[str]]]:
    def parse(reply: list[Any]) -> tuple[int, list[str]]:
        looked_at, names = reply
        return looked_at, [name.decode("utf-8", "replace") for name in names]

    return Call("list_old_repeats", (keys.base,), (first, first + _PAGE - 1), parse)
