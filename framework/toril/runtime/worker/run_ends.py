"""Tells the hook `toril_flow_finished` of runs that ended with a step that this worker settled."""

from __future__ import annotations

import asyncio

from toril.declarations.flow import Flow
from toril.declarations.pipeline import Pipeline
from toril.errors import TorilError
from toril.plugins.observers import Observers
from toril.runtime.calls.jobs import Ending
from toril.runtime.outcomes import Completed, Failed
from toril.runtime.own_fields import FLOW, RUN, STEP
from toril.runtime.runs import read_run
from toril.runtime.sender import AsyncSender
from toril.runtime.states import JobState
from toril.runtime.worker.execution import Execution
from toril.runtime.worker.reconnect import Outage

#: Runs are over for good; who looks on does not hold the worker up for longer.
_CLOSE_S = 1.0


class RunEnds:
    """Looks at a run when a last step of it has ended."""

    def __init__(
        self, pipeline: Pipeline, sender: AsyncSender, observers: Observers, outage: Outage
    ) -> None:
        self._pipeline = pipeline
        self._sender = sender
        self._observers = observers
        self._outage = outage
        self._looking: set[asyncio.Task[None]] = set()

    def note(self, execution: Execution) -> None:
        """Takes a step that has ended for good."""
        own, outcome = execution.job.own, execution.outcome
        flow = self._pipeline.flows.get(own.get(FLOW, ""))
        step = own.get(STEP, "")
        if flow is None or step not in {last.name for last in flow.last_steps}:
            return
        if isinstance(outcome, Completed):
            ending = Ending(JobState.COMPLETED, result=outcome.result)
        elif isinstance(outcome, Failed):
            ending = Ending(JobState.FAILED, reason=outcome.reason)
        else:
            return
        looking = asyncio.create_task(self._look(flow, own.get(RUN, ""), {step: ending}))
        self._looking.add(looking)
        looking.add_done_callback(self._looking.discard)

    async def close(self) -> None:
        """Lets what is under way end."""
        if self._looking:
            await asyncio.wait(self._looking, timeout=_CLOSE_S)

    async def _look(self, flow: Flow, run: str, endings: dict[str, Ending]) -> None:
        try:
            view = await read_run(self._sender, self._pipeline, flow, run, endings=endings)
        except TorilError as error:
            self._outage.failed(error, during="looking whether a run has ended")
            return
        if view.state in ("completed", "failed"):
            self._observers.notify("toril_flow_finished", flow=flow.name, run=run, state=view.state)
