"""Reading all children of a job, page by page."""

from __future__ import annotations

from collections.abc import Sequence

from toril.runtime.calls.children import Child, ChildStand, list_children
from toril.runtime.keys import QueueKeys
from toril.runtime.steps import Steps

ALL_STANDS = tuple(ChildStand)


def read_children(
    keys: QueueKeys, job_id: str, stands: Sequence[ChildStand] = ALL_STANDS
) -> Steps[list[Child]]:
    """Gives the children of a job, each once; one that ends meanwhile stands where it was last."""
    found: dict[tuple[str, str], Child] = {}
    for stand in stands:
        cursor = -1
        while cursor != 0:
            page = yield list_children(keys, job_id, stand, cursor=max(cursor, 0))
            found.update({(child.queue, child.id): child for child in page.children})
            cursor = page.cursor
    return list(found.values())
