"""Runs the ticks of schedules with a `foreach`: pulls items from a source and adds their jobs."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import aclosing
from itertools import islice
from typing import Any

from toril.errors import AddError, ExpressionError, InvalidData, Unrecoverable
from toril.plugins.descriptors import Source
from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.jobs import update_progress
from toril.runtime.codec import encode_json
from toril.runtime.job import ClaimedJob, NewJob
from toril.runtime.keys import QueueKeys
from toril.runtime.ticks import BuildJob, Tick
from toril.runtime.worker.ground import Ground
from toril.runtime.worker.threads import Threads

#: Items that are held at once, and added in one call.
BATCH = 500
#: So many refused items are told of.
_TOLD = 5


class FanOut:
    """Adds the jobs of a tick's items."""

    def __init__(
        self,
        ground: Ground,
        *,
        sources: Mapping[str, Source],
        build_job: BuildJob | None,
        threads: Threads,
    ) -> None:
        self._ground = ground
        self._sources = sources
        self._build_job = build_job
        self._threads = threads

    async def run(self, job: ClaimedJob, tick: Tick) -> dict[str, int]:
        """Gives how many jobs were added, and how many were there or kept out.

        Raises what the source raises; and Unrecoverable, when the others are added, if jobs of
        some items were refused.
        """
        name = tick.schedule.foreach or ""
        source = self._sources.get(name)
        if source is None or self._build_job is None:
            raise Unrecoverable(f"no plugin supplies the source {name!r} of the schedule")
        counts, refused, seen = {"added": 0, "there": 0}, [], 0
        async for items in self._pull(source):
            jobs = []
            for number, item in enumerate(items, seen + 1):
                try:
                    jobs.append(tick.build_job(item, self._build_job))
                except (AddError, ExpressionError, InvalidData) as error:
                    refused.append(f"item {number}: {error}")
            seen += len(items)
            await self._add(job, jobs, counts)
        if refused:
            told = "; ".join(refused[:_TOLD]) + ("; ..." if len(refused) > _TOLD else "")
            raise Unrecoverable(f"{len(refused)} of {seen} items were refused: {told}")
        return counts

    async def _add(self, trigger: ClaimedJob, jobs: list[NewJob], counts: dict[str, int]) -> None:
        if not jobs:
            return
        # The outbox sends a call again should its reply be lost; a job counts as created then.
        now_ms = self._ground.clock.now_ms()
        call = add_jobs(self._ground.prefix, jobs, now_ms=now_ms, again_since_ms=now_ms)
        added = await self._ground.outbox.send(call)
        created = [new for new, one in zip(jobs, added, strict=True) if one.created]
        counts["added"] += len(created)
        counts["there"] += len(jobs) - len(created)
        self._ground.news.jobs_added(created)
        keys = QueueKeys(self._ground.prefix, trigger.queue)
        progress = encode_json(counts["added"] + counts["there"], "progress")
        await self._ground.outbox.send(update_progress(keys, trigger.id, progress))

    async def _pull(self, source: Source) -> AsyncIterator[list[Any]]:
        """Gives the items in batches; only one batch is ever held."""
        function = source.function
        if inspect.isasyncgenfunction(function):
            batch: list[Any] = []
            async with aclosing(function()) as items:
                async for item in items:
                    batch.append(item)
                    if len(batch) == BATCH:
                        yield batch
                        batch = []
            yield batch
            return
        is_async = inspect.iscoroutinefunction(function)
        given = await (function() if is_async else self._call(function))
        left: Iterator[Any] = iter(_check_iterable(source, given))
        while batch := await self._call(lambda: list(islice(left, BATCH))):
            yield batch

    async def _call(self, function: Any) -> Any:
        is_ok, value = await self._threads.run(function)
        if not is_ok:
            raise value
        return value


def _check_iterable(source: Source, given: Any) -> Iterable[Any]:
    if not isinstance(given, Iterable) or isinstance(given, str | bytes | Mapping):
        raise Unrecoverable(f"source {source.name!r} gave {type(given).__name__}, not items")
    return given
