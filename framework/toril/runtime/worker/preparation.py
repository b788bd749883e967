"""What comes between a job's claim and its run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toril.clock import Clock
from toril.declarations.pipeline import Pipeline
from toril.errors import InvalidData, Unrecoverable
from toril.plugins.descriptors import Processor
from toril.runtime.job import ClaimedJob
from toril.runtime.worker.outbox import Outbox
from toril.runtime.worker.plans import explain_missing

_DEFERRED_FAILURE, _REPEATED = b"defa", b"rjk"


class Preparation:
    """Keeps schedules going, starts flows, and reads what a step is given."""

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        processors: Mapping[str, Processor],
        outbox: Outbox,
        clock: Clock,
    ) -> None:
        self._pipeline = pipeline
        self._processors = processors
        self._outbox = outbox
        self._clock = clock

    def is_needed(self, job: ClaimedJob) -> bool:
        """Whether the job is more than data for its processor."""
        return _DEFERRED_FAILURE in job.fields or _REPEATED in job.fields

    async def prepare(self, job: ClaimedJob) -> None:
        """Adds the next iteration of its schedule; raises if the job must fail without running."""
        if job.deferred_failure is not None:
            raise Unrecoverable(job.deferred_failure)

    def is_trigger(self, job: ClaimedJob) -> bool:
        return False

    async def start_flow(self, job: ClaimedJob) -> Any:
        return None

    def read_data(self, job: ClaimedJob) -> Any:
        """Gives the job's data; raises Unrecoverable if a peer stored what cannot be read."""
        try:
            return job.data
        except InvalidData as error:
            raise Unrecoverable(f"the job's data cannot be read: {error}") from error

    def read_results(self, job: ClaimedJob) -> Mapping[str, Any]:
        return job.children_results

    def explain_missing(self, job: ClaimedJob) -> str:
        """Says why the job cannot run here, and what to do."""
        return explain_missing(self._pipeline, job.queue, job.name, self._processors)
