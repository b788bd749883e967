"""What a running job may tell and change of itself: progress, log lines, data."""

from __future__ import annotations

from typing import Any

from toril.errors import PayloadTooLarge
from toril.runtime.calls.children import ChildStand
from toril.runtime.calls.durable_steps import encode_step, keep_step
from toril.runtime.calls.jobs import add_log, update_data, update_progress
from toril.runtime.children import name_children, read_children
from toril.runtime.codec import decode_json, encode_json, to_integer
from toril.runtime.job import ClaimedJob
from toril.runtime.own_fields import DURABLE_STEP, STEP_DATA
from toril.runtime.removal import remove_pending_children
from toril.runtime.steps import walk
from toril.runtime.worker.decide import read_opts
from toril.runtime.worker.ground import Ground
from toril.runtime.worker.served_queue import ServedQueue

_STEP_DATA = STEP_DATA.encode()


class QueueReports:
    """The reports of one queue's jobs."""

    def __init__(self, ground: Ground, served: ServedQueue) -> None:
        self._keys = served.keys
        self._max_payload = served.queue.max_payload
        self._outbox = ground.outbox
        self._news = ground.news

    async def progress(self, job: ClaimedJob, value: Any) -> None:
        """Stores how far the job is; raises InvalidData unless it is JSON."""
        await self._outbox.send(update_progress(self._keys, job.id, encode_json(value, "progress")))
        self._news.progressed(job.queue, job.id, job.name, value)

    async def log(self, job: ClaimedJob, line: str) -> None:
        """Adds a line to the job's log."""
        keep = read_opts(job).get("keepLogs")
        # A peer may have written any number.
        keep = to_integer(keep) if isinstance(keep, int | float) and keep >= 0 else None
        await self._outbox.send(add_log(self._keys, job.id, line, keep=keep))

    async def update_data(self, job: ClaimedJob, data: Any) -> None:
        """Replaces the job's data; raises InvalidData or PayloadTooLarge."""
        encoded = encode_json(data, "data")
        if len(encoded) > self._max_payload:
            raise PayloadTooLarge(
                f"the data of job {job.id!r} would be {len(encoded)} bytes of JSON; queue "
                f"{job.queue!r} takes at most {self._max_payload}"
            )
        # Data that a processor wrote is not to be made from the step's template again.
        settles = (STEP_DATA,) if _STEP_DATA in job.fields else ()
        await self._outbox.send(update_data(self._keys, job.id, encoded, settles=settles))
        job.note("data", encoded)
        job.note(STEP_DATA, None)

    async def keep_step(self, job: ClaimedJob, name: str, result: Any) -> Any:
        """Keeps the result of a durable step; gives the one that is kept, as it will be read."""
        encoded = encode_step(name, result)
        kept = await self._outbox.send(keep_step(self._keys, job, name, encoded))
        job.note(DURABLE_STEP + name, kept)
        return decode_json(kept, f"the result of step {name!r}")

    async def ignored_failures(self, job: ClaimedJob) -> dict[str, str]:
        """Gives why children failed that the job goes on without, by their ids."""
        reading = read_children(self._keys, job.id, [ChildStand.IGNORED])
        ignored = await walk(reading, self._outbox.send)
        names = name_children([(child.queue, child.id) for child in ignored])
        return {name: child.reason or "" for name, child in zip(names, ignored, strict=True)}

    async def remove_pending_children(self, job: ClaimedJob) -> int:
        """Removes the job's children that have not begun, and gives how many jobs went."""
        return await walk(remove_pending_children(self._keys, job.id), self._outbox.send)
