"""What a job's handle knows of the job's children."""

from __future__ import annotations

from toril.handles.needs import Sends, SendsSync
from toril.runtime.calls.children import Child, ChildCounts, count_children
from toril.runtime.children import read_children
from toril.runtime.keys import QueueKeys
from toril.runtime.steps import walk, walk_sync


class JobFamily:
    """A part of `JobHandle`."""

    __slots__ = ()

    id: str
    _client: Sends
    _keys: QueueKeys

    async def children(self) -> list[Child]:
        """Gives the jobs it waits for, or waited for, each with how it stands and its result."""
        return await walk(read_children(self._keys, self.id), self._client.send)

    async def count_children(self) -> ChildCounts:
        """Counts them by how they stand."""
        return await self._client.send(count_children(self._keys, self.id))


class SyncJobFamily:
    """A part of `SyncJobHandle`; see `JobFamily`."""

    __slots__ = ()

    id: str
    _client: SendsSync
    _keys: QueueKeys

    def children(self) -> list[Child]:
        """Gives the jobs it waits for, or waited for, each with how it stands and its result."""
        return walk_sync(read_children(self._keys, self.id), self._client.send)

    def count_children(self) -> ChildCounts:
        """Counts them by how they stand."""
        return self._client.send(count_children(self._keys, self.id))
