"""A run of a flow as the asyncio client gives it."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import Any

from toril.adding import describe_failed_run, read_run_result
from toril.declarations.flow import Flow
from toril.declarations.spans import Span, read_timeout_s
from toril.handles.needs import Sends
from toril.runtime.calls.jobs import Ending
from toril.runtime.flows import step_job_id
from toril.runtime.run_control import cancel_run, retry_run
from toril.runtime.runs import RunView, read_run
from toril.runtime.steps import walk


class RunHandle:
    """One run of a flow."""

    __slots__ = ("_client", "_flow", "created", "run")

    def __init__(self, client: Sends, flow: Flow, run: str, *, created: bool) -> None:
        self._client = client
        self._flow = flow
        #: The run's id.
        self.run = run
        #: Whether this `start_flow` started it, rather than finding the id there.
        self.created = created

    def __repr__(self) -> str:
        return f"RunHandle(flow={self._flow.name!r}, run={self.run!r})"

    async def result(self, timeout: Span | None = None) -> Any:
        """Waits until it has finished and gives its last step's result.

        Of a flow with several last steps: their results by their names. Raises JobFailed with the
        step that failed, WaitTimeout, or JobNotFound.
        """
        view = await self.wait(timeout)
        if view.state == "failed":
            raise describe_failed_run(view)
        return read_run_result(self._flow, view)

    async def wait(self, timeout: Span | None = None) -> RunView:
        """Waits until it has finished, well or badly, and gives how it stands then."""
        timeout_s = read_timeout_s(timeout)
        give_up_at = None if timeout_s is None else monotonic() + timeout_s
        endings: dict[str, Ending] = {}
        for step in self._flow.last_steps:
            left_s = None if give_up_at is None else max(give_up_at - monotonic(), 0.0)
            queue = self._client.pipeline.queue_of_step(step)
            job_id = step_job_id(self.run, step.name)
            endings[step.name] = await self._client.wait(queue, job_id, left_s)
        return await self._read(endings)

    async def retry(self) -> list[str]:
        """Runs its failed steps again, and gives their names; completed ones stay.

        Raises JobNotFound, or WrongState if none has failed.
        """
        client = self._client
        steps = retry_run(client.pipeline, self._flow, self.run, client.clock)
        return await walk(steps, client.send)

    async def cancel(self, reason: str | None = None) -> list[str]:
        """Cancels its steps that have not ended, and gives their names.

        Raises JobNotFound, or WrongState if all have ended.
        """
        client = self._client
        steps = cancel_run(client.pipeline, self._flow, self.run, client.clock, reason=reason)
        return await walk(steps, client.send)

    async def state(self) -> RunView:
        """Gives how it stands, step by step; raises JobNotFound if nothing of it is left."""
        return await self._read({})

    async def _read(self, endings: Mapping[str, Ending]) -> RunView:
        client = self._client
        return await read_run(
            client.open_sender(), client.pipeline, self._flow, self.run, endings=endings
        )
