"""How a run of a flow stands: the state, result and error of each step."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from toril.declarations.child_failure import ChildFailure
from toril.declarations.flow import Flow, Step
from toril.declarations.pipeline import Pipeline
from toril.errors import JobNotFound
from toril.runtime.call import Call
from toril.runtime.calls.children import ItemCounts, count_items, list_note_calls, read_note
from toril.runtime.calls.jobs import Ending, read_state
from toril.runtime.codec import decode_json
from toril.runtime.flows import SKIPPED_RESULT, step_job_id
from toril.runtime.keys import QueueKeys, parse_job_key
from toril.runtime.sender import AsyncSender
from toril.runtime.states import JobState
from toril.runtime.sync_sender import SyncSender

NOTHING: Mapping[str, Ending] = {}

_CHILD_FAILED = re.compile(r"child (\S+) failed(?:: .*)?", re.DOTALL)

#: How a step's job state is called in a run.
_STEP_STATES = {
    JobState.ACTIVE: "active",
    JobState.COMPLETED: "completed",
    JobState.FAILED: "failed",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class StepView:
    """One step of a run."""

    #: waiting, active, completed or failed; skipped: by its `if`, or its job was removed before it
    #: ended; ignored: it failed, and what needs it goes on without it.
    state: str
    #: The job's id.
    job: str
    queue: str
    result: Any = None
    error: str | None = None
    #: Of a step with `foreach` or `matrix`, once all its items are there.
    items: ItemCounts | None = None

    def as_json(self) -> dict[str, Any]:
        """Gives what `toril flow show` prints of it."""
        shown = {"state": self.state, "job": self.job, "result": self.result, "error": self.error}
        return shown if self.items is None else {**shown, "items": asdict(self.items)}


@dataclass(frozen=True, kw_only=True, slots=True)
class RunView:
    """A run at one instant."""

    run: str
    flow: str
    #: waiting, active, completed or failed.
    state: str
    steps: Mapping[str, StepView]

    def as_json(self) -> dict[str, Any]:
        """Gives what `toril flow start --wait` prints."""
        steps = {name: step.as_json() for name, step in self.steps.items()}
        return {"run": self.run, "flow": self.flow, "state": self.state, "steps": steps}


async def read_run(
    sender: AsyncSender,
    pipeline: Pipeline,
    flow: Flow,
    run_id: str,
    *,
    endings: Mapping[str, Ending] = NOTHING,
) -> RunView:
    """Reads how a run stands; raises JobNotFound if no job of it is left.

    `endings` are how its last steps ended, for who waited for them and where they are not kept.
    """
    reading = _Reading(pipeline, flow, run_id, endings)
    reading.take_states(await sender.send_many(reading.list_state_calls(), return_exceptions=True))
    reading.take_notes(await sender.send_many(reading.list_note_calls()))
    reading.take_counts(await sender.send_many(reading.list_count_calls()))
    return reading.view()


def read_run_sync(
    sender: SyncSender,
    pipeline: Pipeline,
    flow: Flow,
    run_id: str,
    *,
    endings: Mapping[str, Ending] = NOTHING,
) -> RunView:
    """Reads how a run stands, blocking; otherwise as `read_run`."""
    reading = _Reading(pipeline, flow, run_id, endings)
    reading.take_states(sender.send_many(reading.list_state_calls(), return_exceptions=True))
    reading.take_notes(sender.send_many(reading.list_note_calls()))
    reading.take_counts(sender.send_many(reading.list_count_calls()))
    return reading.view()


class _Reading:
    """The rounds of reading a run: where its jobs are; what is noted of those that are gone; what
    is known of steps' items."""

    def __init__(
        self, pipeline: Pipeline, flow: Flow, run_id: str, endings: Mapping[str, Ending]
    ) -> None:
        self._pipeline = pipeline
        self._flow = flow
        self._run_id = run_id
        self._endings = dict(endings)
        self._dependents = flow.map_dependents()
        self._gone: list[Step] = []
        self._items: dict[str, ItemCounts | None] = {}

    def list_state_calls(self) -> list[Call[Ending]]:
        return [
            read_state(self._keys(step), step_job_id(self._run_id, step.name))
            for step in self._flow.steps.values()
        ]

    def take_states(self, replies: list[Ending | Exception]) -> None:
        for step, reply in zip(self._flow.steps.values(), replies, strict=True):
            if isinstance(reply, Ending):
                self._endings[step.name] = reply
            elif not isinstance(reply, JobNotFound):
                raise reply
            elif step.name not in self._endings:
                self._gone.append(step)
        if not self._endings:
            raise JobNotFound(f"no run {self._run_id!r} of flow {self._flow.name!r}")

    def list_note_calls(self) -> list[Call[Any]]:
        """Asks the step that needs a gone one what it was told of its end."""
        calls: list[Call[Any]] = []
        for step in self._gone:
            needing = next(iter(self._dependents[step.name]), step)
            job_id = step_job_id(self._run_id, needing.name)
            calls += list_note_calls(self._keys(needing), job_id, self._key(step))
        return calls

    def take_notes(self, replies: list[Any]) -> None:
        each = len(replies) // max(len(self._gone), 1)
        for number, step in enumerate(self._gone):
            ending = read_note(replies[number * each : (number + 1) * each])
            if ending is not None:
                self._endings[step.name] = ending

    def list_count_calls(self) -> list[Call[ItemCounts | None]]:
        return [
            count_items(
                self._keys(step),
                step_job_id(self._run_id, step.name),
                [self._key(self._flow.steps[needed]) for needed in step.needs],
            )
            for step in self._fanned_out
        ]

    def take_counts(self, counts: list[ItemCounts | None]) -> None:
        self._items = dict(zip((step.name for step in self._fanned_out), counts, strict=True))

    @property
    def _fanned_out(self) -> list[Step]:
        return [step for step in self._flow.steps.values() if step.is_fan_out]

    def view(self) -> RunView:
        steps = {step.name: self._view_step(step) for step in self._flow.steps.values()}
        return RunView(
            run=self._run_id,
            flow=self._flow.name,
            state=_describe_run(steps, [step.name for step in self._flow.last_steps]),
            steps=steps,
        )

    def _view_step(self, step: Step) -> StepView:
        job, queue = step_job_id(self._run_id, step.name), self._keys(step).queue
        ending = self._endings.get(step.name)
        if ending is None:
            return StepView(state=self._guess_gone(step), job=job, queue=queue)
        return StepView(
            state=_name_state(step, ending),
            job=job,
            queue=queue,
            result=None if ending.result is None else decode_json(ending.result, "result"),
            error=self._word_error(ending.reason),
            items=self._items.get(step.name),
        )

    def _guess_gone(self, step: Step) -> str:
        """A step whose job is gone has ended well if what needs it has."""
        pending, seen = list(self._dependents[step.name]), set()
        while pending:
            needing = pending.pop(0)
            ending = self._endings.get(needing.name)
            if ending is not None:
                return "completed" if ending.state is JobState.COMPLETED else "skipped"
            if needing.name not in seen:
                seen.add(needing.name)
                pending += self._dependents[needing.name]
        return "skipped"

    def _word_error(self, reason: str | None) -> str | None:
        """Names the step where BullMQ names the child's key."""
        match = _CHILD_FAILED.fullmatch(reason or "")
        if match is None:
            return reason
        _, _, child = parse_job_key(match[1])
        name, _, number = child.removeprefix(f"{self._run_id}.").partition(".")
        step = self._flow.steps.get(name)
        if number and step is not None and not step.is_fan_out:
            return f"job {child!r} failed in queue {self._pipeline.jobs[step.job].queue!r}"
        return f"item {number} of step {name!r} failed" if number else f"step {name!r} failed"

    def _key(self, step: Step) -> str:
        return self._keys(step).job(step_job_id(self._run_id, step.name))

    def _keys(self, step: Step) -> QueueKeys:
        return QueueKeys(self._pipeline.redis.prefix, self._pipeline.queue_of_step(step))


def _name_state(step: Step, ending: Ending) -> str:
    if ending.result == SKIPPED_RESULT:
        return "skipped"
    if ending.state is JobState.FAILED and step.on_failure is not ChildFailure.FAIL:
        return "ignored"
    return _STEP_STATES.get(ending.state, "waiting")


def _describe_run(steps: Mapping[str, StepView], last: Sequence[str]) -> str:
    """A run has ended when all its last steps have, and failed if one of them did."""
    ends = [steps[name].state for name in last]
    if all(end in ("completed", "failed", "skipped", "ignored") for end in ends):
        return "failed" if "failed" in ends else "completed"
    if any(step.state not in ("waiting", "skipped") for step in steps.values()):
        return "active"
    return "waiting"
