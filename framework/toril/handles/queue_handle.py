"""A queue as the asyncio client gives it."""

from __future__ import annotations

from toril.handles.needs import Sends
from toril.handles.queue_changes import QueueChanges
from toril.handles.queue_contents import QueueContents


class QueueHandle(QueueContents, QueueChanges):
    """One queue of the pipeline's Redis, declared or not."""

    __slots__ = ("_client", "_keys", "name")

    def __init__(self, client: Sends, name: str) -> None:
        self._client = client
        self._keys = client.keys(name)
        self.name = name

    def __repr__(self) -> str:
        return f"QueueHandle({self.name!r})"
