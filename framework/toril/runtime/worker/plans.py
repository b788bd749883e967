"""How each job type of a queue is run: processor, bound parameters, timeout, thread or loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from toril.declarations.flow import Step
from toril.declarations.job_type import JobType
from toril.declarations.names import describe_unknown
from toril.declarations.pipeline import Pipeline
from toril.errors import PluginError
from toril.plugins.descriptors import Processor
from toril.plugins.secrets import is_secret
from toril.runtime.job import StoredJob
from toril.runtime.limit_keys import LimitKeys
from toril.runtime.own_fields import FLOW, STEP
from toril.runtime.worker.lifetime import TimeLimit

_STEP = STEP.encode()

#: The name of a job type; or flow and name of a step that changes its own.
PlanKey = str | tuple[str, str]


@dataclass(frozen=True, slots=True)
class Plan:
    """A job type, ready to run."""

    job_type: JobType
    function: Callable[..., Any]
    #: What follows the job in the call: the bound parameters, or nothing.
    arguments: tuple[Any, ...]
    is_async: bool
    runs_in_thread: bool
    runs_in_process: bool = False
    #: How long each of its runs may take.
    limit: TimeLimit | None = None
    #: What binds its jobs to limits per key; None if the queue has none.
    limit_keys: LimitKeys | None = None
    #: Its jobs expire, or have a deadline: each has a limit of its own.
    is_mortal: bool = False


def build_plans(
    pipeline: Pipeline,
    queue: str,
    processors: Mapping[str, Processor],
    resolve_secret: Callable[[str], str],
) -> dict[PlanKey, Plan]:
    """Prepares every job type of the queue whose processor is there, and what steps change of it.

    Raises PluginError when parameters do not fit, SecretError when a secret is missing.
    """
    plans: dict[PlanKey, Plan] = {}
    limit_keys = LimitKeys(queue, pipeline.queues[queue].limits)
    for job_type in pipeline.jobs.values():
        processor = processors.get(job_type.use or "")
        if job_type.queue == queue and processor is not None:
            plans[job_type.name] = _build_plan(job_type, processor, limit_keys, resolve_secret)
    for flow in pipeline.flows.values():
        for step in flow.steps.values():
            plan = plans.get(step.job)
            if plan is not None and step.refine(plan.job_type) is not plan.job_type:
                plans[flow.name, step.name] = _refine(plan, step)
    return plans


def find_plan(plans: Mapping[PlanKey, Plan], job: StoredJob) -> Plan | None:
    """Gives how a job is run, None if nobody knows here."""
    if _STEP in job.fields:
        plan = plans.get((job.own.get(FLOW, ""), job.own[STEP]))
        if plan is not None and plan.job_type.name == job.name:
            return plan
    return plans.get(job.name)


def explain_missing(
    pipeline: Pipeline, queue: str, name: str, processors: Mapping[str, Processor]
) -> str:
    """Says why a job of this name cannot run on this queue, and what to do."""
    job_type = pipeline.jobs.get(name)
    if job_type is None:
        unknown = describe_unknown("job type", name, pipeline.jobs)
        return f"{unknown} (this job was added to queue {queue!r})"
    if job_type.queue != queue:
        return (
            f"job type {name!r} is declared for queue {job_type.queue!r}, but this job was added "
            f"to queue {queue!r}; add it there"
        )
    if job_type.use is None:
        return f"job type {name!r} of queue {queue!r} names no processor; add `use` to it"
    unknown = describe_unknown("processor", job_type.use, processors)
    return f"job type {name!r} of queue {queue!r} cannot run: {unknown}"


def _build_plan(
    job_type: JobType,
    processor: Processor,
    limit_keys: LimitKeys,
    resolve_secret: Callable[[str], str],
) -> Plan:
    runs_in_thread = job_type.run_in == "thread" or (
        job_type.run_in is None and not processor.is_async
    )
    if runs_in_thread and processor.is_async:
        raise PluginError(
            f"jobs.{job_type.name}: processor {processor.name!r} is a coroutine function, which "
            "runs on the loop; remove `run_in: thread`, or make it a plain function"
        )
    if job_type.max_memory is not None and not Path("/proc/self/statm").exists():
        raise PluginError(f"jobs.{job_type.name}: max_memory is kept on Linux only; remove it here")
    return Plan(
        job_type=job_type,
        function=processor.function,
        arguments=_bind_parameters(job_type, processor, resolve_secret),
        is_async=processor.is_async,
        runs_in_thread=runs_in_thread,
        runs_in_process=job_type.run_in == "process",
        limit_keys=limit_keys or None,
        limit=_limit_of(job_type),
        is_mortal=job_type.expires_in_ms is not None or job_type.deadline_ms is not None,
    )


def _refine(plan: Plan, step: Step) -> Plan:
    job_type = step.refine(plan.job_type)
    return replace(plan, job_type=job_type, limit=_limit_of(job_type))


def _limit_of(job_type: JobType) -> TimeLimit | None:
    return None if job_type.timeout_ms is None else TimeLimit(job_type.timeout_ms)


def _bind_parameters(
    job_type: JobType,
    processor: Processor,
    resolve_secret: Callable[[str], str],
) -> tuple[Any, ...]:
    bound: list[Any] = []
    for type_, values, place in (
        (processor.params, job_type.params, f"jobs.{job_type.name}.with"),
        (processor.settings, processor.config, "plugins.config"),
    ):
        if type_ is None:
            continue
        try:
            bound.append(msgspec.convert(_resolve(values, resolve_secret), type=type_))
        except msgspec.ValidationError as error:
            # The error's text holds no value, so no secret can show.
            raise PluginError(
                f"{place} does not fit processor {processor.name!r}: {error}"
            ) from None
    return tuple(bound)


def _resolve(value: Any, resolve_secret: Callable[[str], str]) -> Any:
    if is_secret(value):
        return resolve_secret(value)
    if isinstance(value, Mapping):
        return {key: _resolve(item, resolve_secret) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_resolve(item, resolve_secret) for item in value]
    return value
