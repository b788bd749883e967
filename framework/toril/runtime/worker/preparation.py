"""What comes between a job's claim and its run: its schedule's next tick, its data, its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from toril.declarations.pipeline import Pipeline
from toril.errors import Cancelled, InvalidData, TorilError, Unrecoverable
from toril.plugins.descriptors import Processor
from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.children import let_go
from toril.runtime.calls.jobs import update_data
from toril.runtime.calls.limits import bind_keys
from toril.runtime.codec import encode_json
from toril.runtime.flow_items import is_fan_out
from toril.runtime.flows import (
    CheckData,
    build_triggered_run,
    is_skipped,
    is_step,
    list_let_go,
    needs_rendering,
    read_results,
    render_step,
)
from toril.runtime.job import ClaimedJob, NewJob
from toril.runtime.keys import QueueKeys
from toril.runtime.limit_keys import LimitKeys
from toril.runtime.own_fields import CANCELLED, RUN, STEP_DATA
from toril.runtime.run_start import is_large, start_in_batches
from toril.runtime.steps import walk
from toril.runtime.ticks import Tick, find_tick
from toril.runtime.worker.decide import TickSkipped
from toril.runtime.worker.fan_out import FanOut
from toril.runtime.worker.ground import Ground
from toril.runtime.worker.plans import explain_missing
from toril.runtime.worker.reasons import make_deferred_failure
from toril.runtime.worker.step_items import StepItems
from toril.runtime.worker.turns import Turns

_REPEATED, _DEFERRED_FAILURE = b"rjk", b"defa"
_RUN, _CANCELLED = RUN.encode(), CANCELLED.encode()
#: Fields of jobs that are more than data for their processor.
_MORE = frozenset((_REPEATED, _DEFERRED_FAILURE, _RUN, _CANCELLED))


class Preparation:
    """Keeps schedules going, starts flows, and reads what a job is given."""

    def __init__(
        self,
        ground: Ground,
        *,
        pipeline: Pipeline,
        processors: Mapping[str, Processor],
        check_data: CheckData | None,
        fan_out: FanOut,
        step_items: StepItems,
    ) -> None:
        self._ground = ground
        self._pipeline = pipeline
        self._processors = processors
        self._check_data = check_data
        self._fan_out = fan_out
        self._step_items = step_items
        self._turns = Turns(ground, pipeline)

    def is_plain(self, job: ClaimedJob) -> bool:
        """Whether the job is no more than data for its processor; most are."""
        return job.fields.keys().isdisjoint(_MORE)

    async def prepare(self, job: ClaimedJob) -> None:
        """Adds its schedule's next tick; raises Unrecoverable if the job must fail without running,
        TickSkipped if it is a tick that is not to run.

        The tick comes first: a schedule goes on whatever becomes of one job.
        """
        not_now = None
        if job.repeat_key is not None:
            not_now = await self._turns.take(job)
        if job.deferred_failure is not None:
            raise make_deferred_failure(job.deferred_failure)
        if _CANCELLED in job.fields:
            raise Cancelled(job.own[CANCELLED])
        if not_now is not None:
            raise TickSkipped(not_now)

    async def let_go(self, job: ClaimedJob) -> None:
        """Has a step that goes on at once, because one it needs has failed, wait for no other."""
        keys = list_let_go(self._pipeline, job) if is_step(job) else []
        if keys:
            place = QueueKeys(self._ground.prefix, job.queue)
            await self._ground.outbox.send(let_go(place, job.id, keys))

    def is_skipped(self, job: ClaimedJob) -> bool:
        """Whether the job is a step that is not to run; raises Unrecoverable if nobody can tell."""
        if not is_step(job):
            return False
        try:
            return is_skipped(self._pipeline, job)
        except TorilError as error:
            raise Unrecoverable(f"whether the step runs cannot be told: {error}") from error

    def find_trigger(self, job: ClaimedJob) -> Tick | None:
        """Gives the tick that the job stands for if it has no processor."""
        tick = find_tick(self._pipeline, job)
        return tick if tick is not None and tick.is_trigger else None

    async def fire(self, job: ClaimedJob, tick: Tick) -> dict[str, Any]:
        """Starts the tick's flow, or adds its items' jobs; gives what the trigger's result is."""
        if tick.schedule.foreach is not None:
            return dict(await self._fan_out.run(job, tick))
        return await self._start_flow(job, tick)

    def is_fan_out(self, job: ClaimedJob) -> bool:
        """Whether the job is a step with items, which has no processor itself."""
        return is_fan_out(job)

    async def run_items(self, job: ClaimedJob) -> Any:
        """Adds the jobs of a step's items, or gives their results once all have ended."""
        return await self._step_items.run(job)

    async def _start_flow(self, job: ClaimedJob, tick: Tick) -> dict[str, Any]:
        """Starts a run and gives its id; twice does no more than once."""
        now_ms = self._ground.clock.now_ms()
        try:
            run_id, jobs = build_triggered_run(
                self._pipeline, tick, job, now_ms=now_ms, check_data=self._check_data
            )
        except TorilError as error:
            raise Unrecoverable(f"flow {job.name!r} cannot be started: {error}") from error
        created = await self._store_run(jobs)
        self._ground.news.flow_started(job, run_id, created)
        return {"run": run_id}

    async def _store_run(self, jobs: Sequence[NewJob]) -> Sequence[NewJob]:
        """Gives the jobs that this start has stored, rather than one before."""
        ground = self._ground
        if is_large(jobs):
            steps = start_in_batches(ground.prefix, jobs, ground.clock)
            return jobs if await walk(steps, ground.outbox.send) else ()
        # The outbox sends this call again should its reply be lost; the run counts as created then.
        now_ms = ground.clock.now_ms()
        call = add_jobs(ground.prefix, jobs, now_ms=now_ms, again_since_ms=now_ms)
        added = await ground.outbox.send(call)
        return [new for new, one in zip(jobs, added, strict=True) if one.created]

    async def read_data(self, job: ClaimedJob) -> Any:
        """Gives the job's data; that of a step is made of the results it needs, and stored.

        Raises Unrecoverable for data that cannot be made or read: another attempt has the same.
        """
        tick = find_tick(self._pipeline, job) if job.repeat_key is not None else None
        if needs_rendering(job) or (tick is not None and tick.has_own_data):
            return await self._make_data(job, tick)
        return self.decode_data(job)

    def decode_data(self, job: ClaimedJob) -> Any:
        """Gives the job's data as it is stored."""
        try:
            return job.data
        except InvalidData as error:
            raise Unrecoverable(f"the job's data cannot be read: {error}") from error

    async def bind_to_keys(self, job: ClaimedJob, limit_keys: LimitKeys, data: Any) -> bool:
        """Stores which keys bind the job to its queue's limits, for one that came without.

        Gives whether any does: then it has to be claimed again. Raises Unrecoverable for data that
        has no such keys.
        """
        try:
            keys = limit_keys.compute(data)
        except TorilError as error:
            raise Unrecoverable(str(error)) from error
        place = QueueKeys(self._ground.prefix, job.queue)
        await self._ground.outbox.send(bind_keys(place, job.id, keys))
        return limit_keys.binds(keys)

    def read_results(self, job: ClaimedJob) -> Mapping[str, Any]:
        """Gives the results of needed steps by step, of other children by job id."""
        if not job.children:
            return {}
        try:
            return read_results(job)
        except (InvalidData, ValueError) as error:
            raise Unrecoverable(f"a result the job needs cannot be read: {error}") from error

    def explain_missing(self, job: ClaimedJob) -> str:
        """Says why the job cannot run here, and what to do."""
        return explain_missing(self._pipeline, job.queue, job.name, self._processors)

    async def _make_data(self, job: ClaimedJob, tick: Tick | None) -> Any:
        try:
            data = render_step(self._pipeline, job) if tick is None else tick.render_data()
            encoded = encode_json(data, "data")
            if self._check_data is not None:
                self._check_data(job.name, data)
        except TorilError as error:
            raise Unrecoverable(f"the job's data cannot be made: {error}") from error
        keys = QueueKeys(self._ground.prefix, job.queue)
        await self._ground.outbox.send(update_data(keys, job.id, encoded, settles=[STEP_DATA]))
        job.note("data", encoded)
        job.note(STEP_DATA, None)
        return data
