"""A run of a flow as the asyncio client gives it."""

from __future__ import annotations

from typing import Any

from toril.adding import describe_failed_run
from toril.declarations.flow import Flow
from toril.declarations.spans import Span
from toril.handles.job_handle import JobHandle
from toril.handles.needs import Sends
from toril.runtime.calls.jobs import Ending
from toril.runtime.flows import step_job_id
from toril.runtime.runs import RunView, read_run


class RunHandle:
    """One run of a flow."""

    __slots__ = ("_client", "_flow", "_last", "created", "run")

    def __init__(self, client: Sends, flow: Flow, run: str, *, created: bool) -> None:
        self._client = client
        self._flow = flow
        queue = client.pipeline.jobs[flow.last_step.job].queue
        self._last = JobHandle(
            client, queue, step_job_id(run, flow.last_step.name), created=created
        )
        #: The run's id.
        self.run = run
        #: Whether this `start_flow` started it, rather than finding the id there.
        self.created = created

    def __repr__(self) -> str:
        return f"RunHandle(flow={self._flow.name!r}, run={self.run!r})"

    async def result(self, timeout: Span | None = None) -> Any:
        """Waits until it has finished and gives its last step's result.

        Raises JobFailed with the step that failed, WaitTimeout, or JobNotFound.
        """
        view = await self.wait(timeout)
        if view.state == "failed":
            raise describe_failed_run(view)
        return view.steps[self._flow.last_step.name].result

    async def wait(self, timeout: Span | None = None) -> RunView:
        """Waits until it has finished, well or badly, and gives how it stands then."""
        last = self._last
        ending = await self._client.wait(last.queue, last.id, timeout)
        return await self._read(ending)

    async def state(self) -> RunView:
        """Gives how it stands, step by step; raises JobNotFound if nothing of it is left."""
        return await self._read(None)

    async def _read(self, ending: Ending | None) -> RunView:
        client = self._client
        return await read_run(
            client.open_sender(), client.pipeline, self._flow, self.run, ending=ending
        )
