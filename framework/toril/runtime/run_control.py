"""Runs of flows by hand: finding and listing them, cancelling one, retrying what failed of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from toril.clock import Clock
from toril.declarations.child_failure import ChildFailure
from toril.declarations.flow import Flow, Step
from toril.declarations.pipeline import Pipeline
from toril.errors import JobNotFound, WrongState
from toril.runtime.calls.children import ChildStand, is_failed_by
from toril.runtime.calls.jobs import Ending, FoundJob, find_jobs, read_job, read_state, retry_job
from toril.runtime.cancel import Place, cancel_many
from toril.runtime.children import read_children
from toril.runtime.flows import step_job_id
from toril.runtime.job import StoredJob
from toril.runtime.keys import QueueKeys
from toril.runtime.own_fields import FLOW, ITEM, RUN, STEP
from toril.runtime.states import JobState
from toril.runtime.steps import Steps

#: Jobs of a queue that are looked at for runs, in each state, the newest first.
MOST_LOOKED_AT = 1_000
_PAGE = 100


@dataclass(frozen=True, slots=True)
class StartedRun:
    """A run that was found, and when it was started."""

    flow: str
    run: str
    started_ms: int


def find_flow(pipeline: Pipeline, run_id: str) -> Steps[Flow]:
    """Finds the flow that a run is of; raises JobNotFound if nothing of the run is left."""
    for flow in pipeline.flows.values():
        for step in flow.steps.values():
            job: StoredJob | None = yield read_job(
                _keys(pipeline, step), step_job_id(run_id, step.name)
            )
            if job is not None and job.own.get(FLOW) == flow.name:
                return flow
    raise JobNotFound(f"no run {run_id!r} of any declared flow")


def list_runs(pipeline: Pipeline, flow: Flow, *, limit: int) -> Steps[list[StartedRun]]:
    """Lists runs of a flow by the jobs of its last steps, the newest first."""
    started: dict[str, StartedRun] = {}
    last = {step.name: _keys(pipeline, step) for step in flow.last_steps}
    for name, keys in last.items():
        for state in (state for state in JobState if state is not JobState.UNKNOWN):
            first = 0
            while first < MOST_LOOKED_AT:
                page: list[FoundJob] = yield find_jobs(keys, [state], first=first, count=_PAGE)
                for job in (found.job for found in page):
                    own = job.own
                    if own.get(FLOW) == flow.name and own.get(STEP) == name and ITEM not in own:
                        run = StartedRun(flow.name, own.get(RUN, ""), job.timestamp_ms)
                        started[run.run] = run
                first += _PAGE
                if len(page) < _PAGE:
                    break
    runs = sorted(started.values(), key=lambda run: (-run.started_ms, run.run))
    return runs[:limit]


def retry_run(pipeline: Pipeline, flow: Flow, run_id: str, clock: Clock) -> Steps[list[str]]:
    """Runs the failed steps of a run again, with fresh attempts, and gives their names.

    Of a step with items the failed ones run again. What they failed waits for them again; steps
    that completed, or whose failure does not count, stay as they are. Raises JobNotFound, or
    WrongState if no step has failed.
    """
    failed = yield from _find_failed(pipeline, flow, run_id)
    for step in failed:
        keys, job_id = _keys(pipeline, step), step_job_id(run_id, step.name)
        if step.adds_jobs:
            yield from _retry_items(keys, job_id, clock)
        yield retry_job(keys, job_id, now_ms=clock.now_ms())
    return [step.name for step in failed]


def _find_failed(pipeline: Pipeline, flow: Flow, run_id: str) -> Steps[list[Step]]:
    """Finds the steps that failed and count; each stands before those that need it.

    Those could not be retried while it has failed.
    """
    failed, is_there = [], False
    dependents = flow.map_dependents()
    for step in reversed(flow.list_from_last()):
        try:
            ending: Ending = yield read_state(_keys(pipeline, step), step_job_id(run_id, step.name))
        except JobNotFound:
            yield from _check_gone(pipeline, flow, step, dependents[step.name], run_id)
            continue
        is_there = True
        if ending.state is JobState.FAILED and step.on_failure is ChildFailure.FAIL:
            failed.append(step)
    if not is_there:
        raise JobNotFound(f"no run {run_id!r} of flow {flow.name!r}")
    if not failed:
        raise WrongState(f"no step of run {run_id!r} of flow {flow.name!r} has failed")
    return failed


def _check_gone(
    pipeline: Pipeline, flow: Flow, step: Step, dependents: Sequence[Step], run_id: str
) -> Steps[None]:
    """A step that failed others could not be brought back without its job."""
    key = _keys(pipeline, step).job(step_job_id(run_id, step.name))
    for needing in dependents[:1]:
        if (yield is_failed_by(_keys(pipeline, needing), step_job_id(run_id, needing.name), key)):
            raise WrongState(
                f"step {step.name!r} of run {run_id!r} failed and its job is not kept; "
                f"start flow {flow.name!r} anew"
            )


def cancel_run(
    pipeline: Pipeline, flow: Flow, run_id: str, clock: Clock, *, reason: str | None = None
) -> Steps[list[str]]:
    """Cancels all steps of a run that have not ended, and gives their names.

    Raises JobNotFound, or WrongState if all have ended.
    """
    going: dict[str, Place] = {}
    is_there = False
    # Each before those that it needs, whose failure would be told as the reason of its own.
    for step in flow.list_from_last():
        place = keys, job_id = _keys(pipeline, step), step_job_id(run_id, step.name)
        try:
            ending: Ending = yield read_state(keys, job_id)
        except JobNotFound:
            continue
        is_there = True
        if ending.state not in (JobState.COMPLETED, JobState.FAILED):
            going[step.name] = place
    if not is_there:
        raise JobNotFound(f"no run {run_id!r} of flow {flow.name!r}")
    if not going:
        raise WrongState(f"all steps of run {run_id!r} of flow {flow.name!r} have ended")
    # Below them are their items, and what their gates have added.
    yield from cancel_many(list(going.values()), pipeline, reason=reason, clock=clock)
    return list(going)


def _retry_items(keys: QueueKeys, step_id: str, clock: Clock) -> Steps[None]:
    """Runs the failed items of a step again."""
    for child in (yield from read_children(keys, step_id, [ChildStand.FAILED])):
        if child.id.startswith(f"{step_id}."):
            place = QueueKeys(keys.prefix, child.queue)
            yield retry_job(place, child.id, now_ms=clock.now_ms())


def _keys(pipeline: Pipeline, step: Step) -> QueueKeys:
    return QueueKeys(pipeline.redis.prefix, pipeline.queue_of_step(step))
