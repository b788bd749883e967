"""Tests of runtime/removal.py: what would need a deep or an endless walk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from toril.errors import WrongState
from toril.runtime.call import Call
from toril.runtime.calls.removal import ChildrenBatch
from toril.runtime.keys import QueueKeys
from toril.runtime.removal import remove_family, remove_pending_children
from toril.runtime.steps import walk_sync

DEPTH = 5_000
KEYS = QueueKeys("p", "orders")


def batch(too_large: int | None = None, *, removed: int = 0, looked_at: int = 0) -> ChildrenBatch:
    return ChildrenBatch(
        removed=removed,
        cursor=0,
        locked="",
        too_large="" if too_large is None else KEYS.job(str(too_large)),
        is_last=too_large is None,
        looked_at=looked_at,
    )


def answer(below: Callable[[int], ChildrenBatch]) -> Callable[[Call[Any]], Any]:
    """Answers for a server on which each job has the next one below it."""
    gone: set[int] = set()

    def send(call: Call[Any]) -> Any:
        job = int(str(call.args[0]))
        if call.script == "remove_children":
            return batch() if job + 1 in gone else below(job)
        if call.args[1]:
            return None
        gone.add(job)
        return 1

    return send


def test_a_chain_too_deep_to_remove_is_refused() -> None:
    send = answer(lambda job: batch(job + 1 if job < DEPTH else None))

    with pytest.raises(WrongState, match=f"job '{DEPTH}' .* has too many jobs in one row"):
        walk_sync(remove_family(KEYS, "0"), send)


def test_a_deep_chain_of_pending_children_is_removed() -> None:
    send = answer(lambda job: batch(job + 1) if job < DEPTH else batch(removed=3))

    assert walk_sync(remove_pending_children(KEYS, "0"), send) == DEPTH + 3


@pytest.mark.parametrize("remove", [remove_family, remove_pending_children])
def test_jobs_below_themselves_are_refused(remove: Any) -> None:
    send = answer(lambda job: batch((job + 1) % 3))

    with pytest.raises(WrongState, match="is below itself"):
        walk_sync(remove(KEYS, "0"), send)
