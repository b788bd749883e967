"""Reading all children of a job, page by page; what a job calls its children."""

from __future__ import annotations

from collections import Counter
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


def name_children(places: Sequence[tuple[str, str]]) -> list[str]:
    """Names children, of which queue and id are given, by their ids where these tell them apart."""
    counts = Counter(job_id for _, job_id in places)
    return [job_id if counts[job_id] == 1 else f"{queue}:{job_id}" for queue, job_id in places]
