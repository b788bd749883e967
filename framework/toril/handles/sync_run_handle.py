"""A run of a flow as the blocking client gives it."""

from __future__ import annotations

from typing import Any

from toril.adding import describe_failed_run
from toril.declarations.flow import Flow
from toril.declarations.spans import Span
from toril.handles.needs import SendsSync
from toril.handles.sync_job_handle import SyncJobHandle
from toril.runtime.calls.jobs import Ending
from toril.runtime.flows import step_job_id
from toril.runtime.runs import RunView, read_run_sync


class SyncRunHandle:
    """One run of a flow; see `RunHandle`."""

    __slots__ = ("_client", "_flow", "_last", "created", "run")

    def __init__(self, client: SendsSync, flow: Flow, run: str, *, created: bool) -> None:
        self._client = client
        self._flow = flow
        queue, last = client.pipeline.jobs[flow.last_step.job].queue, flow.last_step.name
        self._last = SyncJobHandle(client, queue, step_job_id(run, last), created=created)
        #: The run's id.
        self.run = run
        #: Whether this `start_flow` started it, rather than finding the id there.
        self.created = created

    def __repr__(self) -> str:
        return f"SyncRunHandle(flow={self._flow.name!r}, run={self.run!r})"

    def result(self, timeout: Span | None = None) -> Any:
        """Waits until it has finished and gives its last step's result; see `RunHandle.result`."""
        view = self.wait(timeout)
        if view.state == "failed":
            raise describe_failed_run(view)
        return view.steps[self._flow.last_step.name].result

    def wait(self, timeout: Span | None = None) -> RunView:
        """Waits until it has finished, well or badly, and gives how it stands then."""
        last = self._last
        return self._read(self._client.wait(last.queue, last.id, timeout))

    def state(self) -> RunView:
        """Gives how it stands, step by step; raises JobNotFound if nothing of it is left."""
        return self._read(None)

    def _read(self, ending: Ending | None) -> RunView:
        client = self._client
        return read_run_sync(client.sender, client.pipeline, self._flow, self.run, ending=ending)
