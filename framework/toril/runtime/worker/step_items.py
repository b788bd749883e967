"""Runs steps with `foreach` or `matrix`: adds the jobs of their items, waits, gives the results."""

from __future__ import annotations

import asyncio
from typing import Any

from toril.declarations.pipeline import Pipeline
from toril.errors import TorilError, Unrecoverable, WaitForChildren
from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.children import count_children
from toril.runtime.calls.jobs import update_data
from toril.runtime.chunks import cut_into_chunks
from toril.runtime.flow_items import build_items, collect_results, describe_items
from toril.runtime.flows import CheckData, needs_rendering
from toril.runtime.job import ClaimedJob, NewJob
from toril.runtime.keys import QueueKeys
from toril.runtime.own_fields import STEP_DATA
from toril.runtime.worker.ground import Ground

#: Items that are made in one turn of the loop.
_TURN = 200


class StepItems:
    """Fans steps out, and gathers them."""

    def __init__(self, ground: Ground, *, pipeline: Pipeline, check_data: CheckData | None) -> None:
        self._ground = ground
        self._pipeline = pipeline
        self._check_data = check_data

    async def run(self, job: ClaimedJob) -> Any:
        """Gives the list of the items' results, of a gate the one.

        Raises WaitForChildren while there are items to wait for, Unrecoverable if they cannot be
        made.
        """
        keys = QueueKeys(self._ground.prefix, job.queue)
        if needs_rendering(job):
            items = await self._make(job)
            await self._add(job, items)
            described = describe_items(len(items))
            call = update_data(keys, job.id, described, settles=[STEP_DATA])
            await self._ground.outbox.send(call)
            if items:
                raise WaitForChildren
            return []
        counts = await self._ground.outbox.send(count_children(keys, job.id))
        if counts.pending:
            raise WaitForChildren
        try:
            return collect_results(self._pipeline, job)
        except TorilError as error:
            raise Unrecoverable(f"results of the items cannot be read: {error}") from error

    async def _make(self, job: ClaimedJob) -> list[NewJob]:
        """All are made before one is added: none runs if one cannot be made."""
        now_ms = self._ground.clock.now_ms()
        made: list[NewJob] = []
        try:
            for item in build_items(
                self._pipeline, job, now_ms=now_ms, check_data=self._check_data
            ):
                made.append(item)
                if len(made) % _TURN == 0:
                    await asyncio.sleep(0)
        except TorilError as error:
            raise Unrecoverable(f"the step's items cannot be made: {error}") from error
        return made

    async def _add(self, job: ClaimedJob, items: list[NewJob]) -> None:
        """Adds what is not there: those that an earlier start added may have ended and be gone."""
        ended = job.children
        missing = [
            item
            for item in items
            if QueueKeys(self._ground.prefix, item.queue).job(item.id).encode() not in ended
        ]
        for chunk in cut_into_chunks(missing):
            now_ms = self._ground.clock.now_ms()
            # The outbox sends a call again should its reply be lost; a job counts as created then.
            call = add_jobs(self._ground.prefix, chunk, now_ms=now_ms, again_since_ms=now_ms)
            added = await self._ground.outbox.send(call)
            self._ground.news.jobs_added(
                [new for new, one in zip(chunk, added, strict=True) if one.created]
            )
