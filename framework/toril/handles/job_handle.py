"""A job as the asyncio client gives it."""

from __future__ import annotations

from typing import Any

from toril.adding import read_result
from toril.declarations.spans import Span
from toril.errors import JobNotFound
from toril.handles.job_changes import JobChanges
from toril.handles.job_family import JobFamily
from toril.handles.needs import Sends
from toril.runtime.calls import jobs as job_calls
from toril.runtime.calls.jobs import Ending
from toril.runtime.calls.removal import unlink_child
from toril.runtime.job import StoredJob
from toril.runtime.removal import remove_family, remove_pending_children
from toril.runtime.states import JobState
from toril.runtime.steps import walk


class JobHandle(JobChanges, JobFamily):
    """One job, wherever it is by now."""

    __slots__ = ("_client", "_keys", "created", "id", "queue")

    def __init__(self, client: Sends, queue: str, job_id: str, *, created: bool) -> None:
        self._client = client
        self._keys = client.keys(queue)
        self.queue = queue
        self.id = job_id
        #: Whether this `add` stored it, rather than finding the id there.
        self.created = created

    def __repr__(self) -> str:
        return f"JobHandle(queue={self.queue!r}, id={self.id!r})"

    async def result(self, timeout: Span | None = None) -> Any:
        """Waits until it has finished and gives its result, also when the job itself is not kept.

        Raises JobFailed, WaitTimeout, or JobNotFound if it is not there or removed meanwhile.
        """
        ending = await self._client.wait(self.queue, self.id, timeout)
        return read_result(ending, self.queue, self.id)

    async def wait(self, timeout: Span | None = None) -> Ending:
        """Waits until it has finished, well or badly, and gives how.

        Raises WaitTimeout, or JobNotFound if it is not there or removed meanwhile.
        """
        return await self._client.wait(self.queue, self.id, timeout)

    async def state(self) -> JobState:
        """Gives its state, `unknown` if it is not there (any more)."""
        try:
            return (await self._client.send(job_calls.read_state(self._keys, self.id))).state
        except JobNotFound:
            return JobState.UNKNOWN

    async def refresh(self) -> StoredJob:
        """Reads the job as it is now; raises JobNotFound."""
        job = await self._client.send(job_calls.read_job(self._keys, self.id))
        if job is None:
            raise JobNotFound(f"no job {self.id!r} in queue {self.queue!r}")
        return job

    async def progress(self) -> Any:
        """Gives what it last told of how far it is, 0 before that; raises JobNotFound."""
        return (await self.refresh()).progress

    async def remove(self, *, with_children: bool = True) -> int:
        """Removes it with all below it, and gives how many jobs that were.

        Up to a thousand go at one instant, more in a row of calls. Raises JobNotFound, or
        WrongState when it or a job below it is active.
        """
        steps = remove_family(self._keys, self.id, with_children=with_children)
        return await walk(steps, self._client.send)

    async def remove_pending_children(self) -> int:
        """Removes the children that have not ended and do not run; gives how many jobs went.

        If it waited for them alone it goes on. Raises JobNotFound.
        """
        return await walk(remove_pending_children(self._keys, self.id), self._client.send)

    async def unlink_from_parent(self) -> bool:
        """Makes it a job that no other waits for; gives False if none did. Raises JobNotFound."""
        return await self._client.send(unlink_child(self._keys, self.id))
