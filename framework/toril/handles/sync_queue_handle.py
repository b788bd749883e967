"""A queue as the blocking client gives it."""

from __future__ import annotations

from toril.handles.needs import SendsSync
from toril.handles.sync_queue_changes import SyncQueueChanges
from toril.handles.sync_queue_contents import SyncQueueContents


class SyncQueueHandle(SyncQueueContents, SyncQueueChanges):
    """One queue of the pipeline's Redis, declared or not; see `QueueHandle`."""

    __slots__ = ("_client", "_keys", "name")

    def __init__(self, client: SendsSync, name: str) -> None:
        self._client = client
        self._keys = client.keys(name)
        self.name = name

    def __repr__(self) -> str:
        return f"SyncQueueHandle({self.name!r})"
