"""A run of a flow as the blocking client gives it."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import Any

from toril.adding import describe_failed_run, read_run_result
from toril.declarations.flow import Flow
from toril.declarations.spans import Span, read_timeout_s
from toril.handles.needs import SendsSync
from toril.runtime.calls.jobs import Ending
from toril.runtime.flows import step_job_id
from toril.runtime.run_control import cancel_run, retry_run
from toril.runtime.runs import RunView, read_run_sync
from toril.runtime.steps import walk_sync


class SyncRunHandle:
    """One run of a flow; see `RunHandle`."""

    __slots__ = ("_client", "_flow", "created", "run")

    def __init__(self, client: SendsSync, flow: Flow, run: str, *, created: bool) -> None:
        self._client = client
        self._flow = flow
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
        return read_run_result(self._flow, view)

    def wait(self, timeout: Span | None = None) -> RunView:
        """Waits until it has finished, well or badly, and gives how it stands then."""
        timeout_s = read_timeout_s(timeout)
        give_up_at = None if timeout_s is None else monotonic() + timeout_s
        endings: dict[str, Ending] = {}
        for step in self._flow.last_steps:
            left_s = None if give_up_at is None else max(give_up_at - monotonic(), 0.0)
            queue = self._client.pipeline.queue_of_step(step)
            job_id = step_job_id(self.run, step.name)
            endings[step.name] = self._client.wait(queue, job_id, left_s)
        return self._read(endings)

    def retry(self) -> list[str]:
        """Runs its failed steps again; see `RunHandle.retry`."""
        client = self._client
        steps = retry_run(client.pipeline, self._flow, self.run, client.clock)
        return walk_sync(steps, client.send)

    def cancel(self, reason: str | None = None) -> list[str]:
        """Cancels its steps that have not ended; see `RunHandle.cancel`."""
        client = self._client
        steps = cancel_run(client.pipeline, self._flow, self.run, client.clock, reason=reason)
        return walk_sync(steps, client.send)

    def state(self) -> RunView:
        """Gives how it stands, step by step; raises JobNotFound if nothing of it is left."""
        return self._read({})

    def _read(self, endings: Mapping[str, Ending]) -> RunView:
        client = self._client
        return read_run_sync(client.sender, client.pipeline, self._flow, self.run, endings=endings)
