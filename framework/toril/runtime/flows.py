"""Flows: a run as a tree of BullMQ jobs, what each step is given, and how a run stands.

A last step is the root of one of BullMQ's trees, the steps it needs are its children. Of several
steps that need one, the first is its parent as BullMQ knows it; the others are kept beside it. A
step's job is called RUN.STEP. What a step's failure for good means to those that need it is its
`on_failure`. A step that is skipped completes without running, with a result that says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from toril.declarations.child_failure import ChildFailure
from toril.declarations.expression import parse_template
from toril.declarations.flow import Flow, Step
from toril.declarations.pipeline import Pipeline
from toril.errors import ExpressionError, UnknownName
from toril.runtime.children import name_children
from toril.runtime.codec import decode_json, encode_json
from toril.runtime.job import ClaimedJob, NewJob, ParentLink, StoredJob
from toril.runtime.job_options import build_opts
from toril.runtime.keys import QueueKeys, parse_job_key
from toril.runtime.own_fields import FAN_OUT, FLOW, RUN, STEP, STEP_CONDITION, STEP_DATA
from toril.runtime.ticks import Tick

_RUN = RUN.encode()

#: Takes a job type and data for it; raises AddError for data that it may not have.
CheckData = Callable[[str, Any], None]

#: The result of a skipped step: null to every reader of JSON, and yet not any null.
SKIPPED_RESULT = b"null "


def build_run(
    pipeline: Pipeline,
    flow: Flow,
    inputs: Mapping[str, Any],
    *,
    run_id: str,
    now_ms: int,
    check_data: CheckData | None = None,
) -> list[NewJob]:
    """Makes the jobs of a run, each before those it needs; to be added in one call.

    Data that needs results is rendered when its step is claimed; the rest is rendered and checked
    here. Raises ExpressionError or AddError.
    """
    dependents = flow.map_dependents()
    return [
        _build_step(pipeline, flow, step, dependents[step.name], inputs, run_id, now_ms, check_data)
        for step in flow.list_from_last()
    ]


def step_job_id(run_id: str, step: str) -> str:
    """Gives the id of a step's job."""
    return f"{run_id}.{step}"


def build_triggered_run(
    pipeline: Pipeline,
    tick: Tick,
    job: StoredJob,
    *,
    now_ms: int,
    check_data: CheckData | None = None,
) -> tuple[str, list[NewJob]]:
    """Makes the run that the tick of a flow's schedule stands for, and gives its id.

    The run is named after schedule and tick, so a tick that is started again adds nothing. Raises
    as `build_run`.
    """
    data = tick.render_data() if tick.has_own_data else job.data
    inputs = data if isinstance(data, Mapping) else {}
    run_id = _triggered_run_id(tick)
    flow = pipeline.flows[tick.schedule.flow or ""]
    return run_id, build_run(
        pipeline, flow, inputs, run_id=run_id, now_ms=now_ms, check_data=check_data
    )


def find_ends(pipeline: Pipeline, tick: Tick, job: StoredJob) -> list[tuple[QueueKeys, str]]:
    """Gives queue and id of the jobs a tick's work ends with: its own, its run's last steps."""
    prefix = pipeline.redis.prefix
    ends = [(QueueKeys(prefix, job.queue), job.id)]
    if tick.schedule.flow is not None:
        for step in pipeline.flows[tick.schedule.flow].last_steps:
            keys = QueueKeys(prefix, pipeline.queue_of_step(step))
            ends.append((keys, step_job_id(_triggered_run_id(tick), step.name)))
    return ends


def _triggered_run_id(tick: Tick) -> str:
    return f"{tick.schedule.name}-{tick.instant_ms}"


def is_step(job: StoredJob) -> bool:
    """Tells whether a job is a step of a run."""
    return _RUN in job.fields


def is_skipped(pipeline: Pipeline, job: ClaimedJob) -> bool:
    """Tells whether a claimed step is not to run: by its `if`, or because one it needs was skipped.

    Raises UnknownName if the step is not declared any more, ExpressionError if the `if` fails or
    gives something else than true or false.
    """
    inputs_json = job.own.get(STEP_CONDITION)
    if inputs_json is None:
        return SKIPPED_RESULT in job.children.values()
    step, context = read_context(pipeline, job, inputs_json)
    value = parse_template(step.condition).render(context)
    if not isinstance(value, bool):
        raise ExpressionError(f"'if' of step {step.name!r} gave {value!r}, not true or false")
    return not value


def list_let_go(pipeline: Pipeline, job: ClaimedJob) -> list[str]:
    """Gives the keys of needed steps' jobs for which a claimed step does not wait any more.

    It goes on at once when one has failed that says `continue`; it could not complete while
    others of its children are pending.
    """
    flow = pipeline.flows.get(job.own.get(FLOW, ""))
    step = flow.steps.get(job.own.get(STEP, "")) if flow is not None else None
    if flow is None or step is None:
        return []
    missing = {}
    for needed in (flow.steps[name] for name in step.needs):
        keys = QueueKeys(pipeline.redis.prefix, pipeline.queue_of_step(needed))
        key = keys.job(step_job_id(job.own[RUN], needed.name))
        if key.encode() not in job.children:
            missing[key] = needed.on_failure
    return list(missing) if ChildFailure.CONTINUE in missing.values() else []


def needs_rendering(job: StoredJob) -> bool:
    """Tells whether a job is a step whose data waits for the results it needs."""
    return STEP_DATA.encode() in job.fields


def render_step(pipeline: Pipeline, job: ClaimedJob) -> Any:
    """Gives the data of a claimed step that `needs_rendering`.

    To be stored with `update_data(..., settles=[STEP_DATA])`, so that later attempts and people
    see it. Raises UnknownName if the step is not declared any more, ExpressionError if an
    expression fails.
    """
    step, context = read_context(pipeline, job, job.own[STEP_DATA])
    return parse_template(step.data).render(context)


def read_context(
    pipeline: Pipeline, job: ClaimedJob, inputs_json: str
) -> tuple[Step, dict[str, Any]]:
    """Gives the step that a claimed job is, and what its expressions may name.

    Raises UnknownName if the step is not declared any more.
    """
    step = find_step(pipeline, job)
    inputs = decode_json(inputs_json, f"inputs of run {job.own.get(RUN)!r}")
    return step, {"inputs": inputs, "needs": _read_needs(pipeline, step, job)}


def find_step(pipeline: Pipeline, job: StoredJob) -> Step:
    """Gives the step that a job is; raises UnknownName if it is not declared any more."""
    flow_name, step_name = job.own.get(FLOW, ""), job.own.get(STEP, "")
    flow = pipeline.flows.get(flow_name)
    if flow is None:
        raise UnknownName(f"flow {flow_name!r} is not declared any more; add it and retry the job")
    step = flow.steps.get(step_name)
    if step is None:
        raise UnknownName(
            f"flow {flow_name!r} has no step {step_name!r} any more; add it and retry the job"
        )
    return step


def read_results(job: ClaimedJob) -> dict[str, Any]:
    """Gives results of a job's completed children: by step in a run, else by job id.

    Children of one id in several queues are called `QUEUE:ID`.
    """
    run = job.own.get(RUN)
    start = f"{run}." if run else ""
    results = job.children_results
    places = [parse_job_key(key)[1:] for key in results]
    names = name_children(places)
    return {name.removeprefix(start): of for name, of in zip(names, results.values(), strict=True)}


def _read_needs(pipeline: Pipeline, step: Step, job: ClaimedJob) -> dict[str, dict[str, Any]]:
    """Gives `needs` as expressions see it.

    A step without a result failed, and does not count; where it counts, nothing can be said of it.
    """
    results, skipped = read_results(job), _read_skipped(job)
    steps = pipeline.flows[job.own[FLOW]].steps
    needs: dict[str, dict[str, Any]] = {}
    for name in step.needs:
        if name in results:
            state = "skipped" if name in skipped else "completed"
            needs[name] = {"result": results[name], "state": state}
        elif steps[name].on_failure is not ChildFailure.FAIL:
            needs[name] = {"result": None, "state": "ignored"}
    return needs


def _read_skipped(job: ClaimedJob) -> set[str]:
    start = f"{job.own.get(RUN)}."
    keys = (key for key, value in job.children.items() if value == SKIPPED_RESULT)
    return {parse_job_key(key.decode("utf-8", "replace"))[2].removeprefix(start) for key in keys}


def _build_step(
    pipeline: Pipeline,
    flow: Flow,
    step: Step,
    dependents: Sequence[Step],
    inputs: Mapping[str, Any],
    run_id: str,
    now_ms: int,
    check_data: CheckData | None,
) -> NewJob:
    job_type = step.refine(pipeline.jobs[step.job])
    links = [
        ParentLink(
            id=step_job_id(run_id, other.name),
            queue=pipeline.queue_of_step(other),
            on_failure=step.on_failure,
        )
        for other in dependents
    ]
    own = {FLOW: flow.name, RUN: run_id, STEP: step.name}
    if step.condition is not None:
        own[STEP_CONDITION] = encode_json(inputs, f"inputs of flow {flow.name!r}").decode()
    if step.adds_jobs:
        own[FAN_OUT] = "1"
    data = _render_at_start(step, inputs, check_data)
    if data is None:
        own[STEP_DATA] = encode_json(inputs, f"inputs of flow {flow.name!r}").decode()
        data = encode_json(step.data, f"data of step {step.name!r}")
    return NewJob(
        queue=pipeline.queue_of_step(step),
        id=step_job_id(run_id, step.name),
        name=step.job,
        data=data,
        opts=build_opts(job_type, pipeline.queues[job_type.queue]),
        timestamp_ms=now_ms,
        priority=job_type.priority,
        parent=links[0] if links else None,
        further_parents=tuple(links[1:]),
        waits_for_children=bool(step.needs),
        own=own,
    )


def _render_at_start(
    step: Step, inputs: Mapping[str, Any], check_data: CheckData | None
) -> bytes | None:
    if step.adds_jobs:
        return None
    template = parse_template(step.data)
    if template.uses("needs"):
        return None
    data = template.render({"inputs": inputs})
    if check_data is not None:
        check_data(step.job, data)
    return encode_json(data, f"data of step {step.name!r}")
