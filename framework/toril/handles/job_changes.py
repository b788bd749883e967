"""What a job's handle changes: data, progress, log, state, delay, priority, deduplication id."""

from __future__ import annotations

from typing import Any

from toril.declarations.spans import Span, read_span_ms
from toril.errors import JobNotFound
from toril.handles.needs import Sends, SendsSync
from toril.runtime.call import Call
from toril.runtime.calls import changes, deduplication
from toril.runtime.calls import jobs as job_calls
from toril.runtime.cancel import Cancelling, cancel
from toril.runtime.codec import encode_json
from toril.runtime.job import StoredJob
from toril.runtime.keys import QueueKeys
from toril.runtime.own_fields import STEP_DATA
from toril.runtime.steps import walk, walk_sync


class JobChanges:
    """A part of `JobHandle`. What changes the job raises JobNotFound if it is not there."""

    __slots__ = ()

    id: str
    _client: Sends
    _keys: QueueKeys

    async def update_data(self, data: Any) -> None:
        """Replaces its data, for attempts from now on; raises AddError as `add` does."""
        job = await self._client.send(job_calls.read_job(self._keys, self.id))
        await self._client.send(_replace_data(self._client, self._keys, self.id, job, data))

    async def update_progress(self, value: Any) -> None:
        """Stores how far it is: a number, usually of 100, or any JSON."""
        progress = encode_json(value, "progress")
        await self._client.send(job_calls.update_progress(self._keys, self.id, progress))

    async def logs(self, *, first: int = 0, last: int = -1) -> list[str]:
        """Gives the lines it logged, oldest first; negative numbers count from the newest."""
        call = job_calls.get_logs(self._keys, self.id, first=first, last=last)
        return await self._client.send(call)

    async def log(self, line: str, *, keep: int | None = None) -> int:
        """Adds a line to its log and gives how many there are; the newest `keep` stay."""
        return await self._client.send(job_calls.add_log(self._keys, self.id, line, keep=keep))

    async def clear_logs(self, *, keep: int = 0) -> None:
        """Deletes its log lines but the newest `keep`."""
        await self._client.send(changes.clear_logs(self._keys, self.id, keep=keep))

    async def retry(self, *, fresh_attempts: bool = True) -> None:
        """Runs a finished job again, with all its attempts; raises JobNotFound or WrongState.

        Without `fresh_attempts` it has those that are left, or one.
        """
        now_ms = self._client.clock.now_ms()
        await self._client.send(
            job_calls.retry_job(self._keys, self.id, now_ms=now_ms, fresh_attempts=fresh_attempts)
        )

    async def cancel(self, reason: str | None = None, *, with_children: bool = False) -> Cancelling:
        """Fails it with `Cancelled`: at once if it does not run, else its worker is told.

        `with_children` does the same to all below it that has not finished, after it. Raises
        JobNotFound, or WrongState if it has finished.
        """
        client = self._client
        steps = cancel(
            self._keys,
            self.id,
            client.pipeline,
            reason=reason,
            with_children=with_children,
            clock=client.clock,
        )
        return await walk(steps, client.send)

    async def promote(self) -> None:
        """Makes a delayed job due now; raises JobNotFound or WrongState."""
        await self._client.send(job_calls.promote(self._keys, self.id))

    async def change_delay(self, delay: Span) -> None:
        """Makes it due so long from now; raises WrongState unless it is delayed."""
        delay_ms, now_ms = read_span_ms(delay), self._client.clock.now_ms()
        call = changes.change_delay(self._keys, self.id, delay_ms, now_ms=now_ms)
        await self._client.send(call)

    async def change_priority(self, priority: int, *, lifo: bool = False) -> None:
        """Gives it another priority, 0 for none; `lifo` puts it ahead of the others of that one."""
        call = changes.change_priority(self._keys, self.id, priority, lifo=lifo)
        await self._client.send(call)

    async def release_deduplication(self) -> bool:
        """Frees its deduplication id; gives False if it holds none."""
        return await self._client.send(deduplication.release_of_job(self._keys, self.id))


class SyncJobChanges:
    """A part of `SyncJobHandle`; see `JobChanges`."""

    __slots__ = ()

    id: str
    _client: SendsSync
    _keys: QueueKeys

    def update_data(self, data: Any) -> None:
        """Replaces its data, for attempts from now on; raises AddError as `add` does."""
        job = self._client.send(job_calls.read_job(self._keys, self.id))
        self._client.send(_replace_data(self._client, self._keys, self.id, job, data))

    def update_progress(self, value: Any) -> None:
        """Stores how far it is: a number, usually of 100, or any JSON."""
        progress = encode_json(value, "progress")
        self._client.send(job_calls.update_progress(self._keys, self.id, progress))

    def logs(self, *, first: int = 0, last: int = -1) -> list[str]:
        """Gives the lines it logged, oldest first; negative numbers count from the newest."""
        call = job_calls.get_logs(self._keys, self.id, first=first, last=last)
        return self._client.send(call)

    def log(self, line: str, *, keep: int | None = None) -> int:
        """Adds a line to its log and gives how many there are; the newest `keep` stay."""
        return self._client.send(job_calls.add_log(self._keys, self.id, line, keep=keep))

    def clear_logs(self, *, keep: int = 0) -> None:
        """Deletes its log lines but the newest `keep`."""
        self._client.send(changes.clear_logs(self._keys, self.id, keep=keep))

    def retry(self, *, fresh_attempts: bool = True) -> None:
        """Runs a finished job again, with all its attempts; raises JobNotFound or WrongState.

        Without `fresh_attempts` it has those that are left, or one.
        """
        now_ms = self._client.clock.now_ms()
        self._client.send(
            job_calls.retry_job(self._keys, self.id, now_ms=now_ms, fresh_attempts=fresh_attempts)
        )

    def cancel(self, reason: str | None = None, *, with_children: bool = False) -> Cancelling:
        """Fails it with `Cancelled`; see `JobHandle.cancel`."""
        client = self._client
        steps = cancel(
            self._keys,
            self.id,
            client.pipeline,
            reason=reason,
            with_children=with_children,
            clock=client.clock,
        )
        return walk_sync(steps, client.send)

    def promote(self) -> None:
        """Makes a delayed job due now; raises JobNotFound or WrongState."""
        self._client.send(job_calls.promote(self._keys, self.id))

    def change_delay(self, delay: Span) -> None:
        """Makes it due so long from now; raises WrongState unless it is delayed."""
        delay_ms, now_ms = read_span_ms(delay), self._client.clock.now_ms()
        self._client.send(changes.change_delay(self._keys, self.id, delay_ms, now_ms=now_ms))

    def change_priority(self, priority: int, *, lifo: bool = False) -> None:
        """Gives it another priority, 0 for none; `lifo` puts it ahead of the others of that one."""
        self._client.send(changes.change_priority(self._keys, self.id, priority, lifo=lifo))

    def release_deduplication(self) -> bool:
        """Frees its deduplication id; gives False if it holds none."""
        return self._client.send(deduplication.release_of_job(self._keys, self.id))


def _replace_data(
    client: Sends | SendsSync, keys: QueueKeys, job_id: str, job: StoredJob | None, data: Any
) -> Call[None]:
    """The data is held against the job's type if that is declared; a step's is final then."""
    if job is None:
        raise JobNotFound(f"no job {job_id!r} in queue {keys.queue!r}")
    encoded = encode_json(data)
    if job.name in client.pipeline.jobs:
        client.check_data(job.name, data)
    return job_calls.update_data(keys, job_id, encoded, settles=[STEP_DATA])
