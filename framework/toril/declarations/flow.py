"""A flow: jobs that need each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from toril.declarations.child_failure import ChildFailure
from toril.declarations.expression import parse_template
from toril.declarations.job_type import JobType, Retry


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One job of a flow, and the steps whose results it needs."""

    name: str
    job: str
    needs: tuple[str, ...] = ()
    #: JSON with `${{ }}` in its strings; `inputs` and `needs.STEP.result` are known there.
    data: Any = field(default_factory=dict)
    #: A list, or text that is one `${{ }}`: a job for each item, which `data` may name as `item`.
    foreach: Any = None
    #: Lists by their names: a job for each combination, which `data` may name as `matrix.NAME`.
    matrix: Mapping[str, Any] | None = None
    #: Text that is one `${{ }}`, or a boolean; None: it runs unless a step it needs was skipped.
    condition: str | bool | None = None
    #: What its failure for good means to those that need it.
    on_failure: ChildFailure = ChildFailure.FAIL
    #: None: what the job type says.
    retry: Retry | None = None
    timeout_ms: int | None = None
    priority: int | None = None
    #: The queue of the step's own job, where that stands before the job of another runtime and adds
    #: it: for what that runtime would not do. See `find_gates`.
    gate: str | None = None

    def refine(self, job_type: JobType) -> JobType:
        """Gives the step's job type with what the step says otherwise."""
        said: dict[str, Any] = {
            "retry": self.retry,
            "timeout_ms": self.timeout_ms,
            "priority": self.priority,
        }
        changes = {name: value for name, value in said.items() if value is not None}
        return replace(job_type, **changes) if changes else job_type

    @property
    def is_fan_out(self) -> bool:
        """Whether it is several jobs, one for each item."""
        return self.foreach is not None or self.matrix is not None

    @property
    def adds_jobs(self) -> bool:
        """Whether its own job has no processor, and adds those that have."""
        return self.is_fan_out or self.gate is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Flow:
    """Steps that need each other, in no circle; what nothing needs is a last step."""

    name: str
    #: JSON Schema of the inputs; None takes any object.
    inputs: Mapping[str, Any] | bool | None = None
    steps: Mapping[str, Step]

    @property
    def last_steps(self) -> tuple[Step, ...]:
        """The steps nothing depends on: the roots of BullMQ's trees."""
        needed = {name for step in self.steps.values() for name in step.needs}
        return tuple(step for step in self.steps.values() if step.name not in needed)

    def map_dependents(self) -> dict[str, list[Step]]:
        """Gives the steps that need each step."""
        dependents: dict[str, list[Step]] = {name: [] for name in self.steps}
        for step in self.steps.values():
            for needed in step.needs:
                dependents[needed].append(step)
        return dependents

    def list_from_last(self) -> list[Step]:
        """Gives all steps, each behind those that need it."""
        waiting = {name: len(others) for name, others in self.map_dependents().items()}
        listed = list(self.last_steps)
        for step in listed:
            for needed in step.needs:
                waiting[needed] -= 1
                if waiting[needed] == 0:
                    listed.append(self.steps[needed])
        return listed


def find_gates(steps: Mapping[str, Step], queues: Mapping[str, tuple[str, bool]]) -> dict[str, str]:
    """Gives the queue of the gate of each step that needs one; `queues` are those of the jobs.

    Each with whether another runtime works it: that fills in no results of needed steps, skips no
    step, adds no items, and tells only one of several that need a step. A flow without a queue that
    Toril works has no gates.
    """
    homes = {step.name: queues[step.job][0] for step in steps.values() if not queues[step.job][1]}
    if not homes:
        return {}
    flow = Flow(name="", steps=steps)
    dependents = flow.map_dependents()
    gates: dict[str, str] = {}
    may_be_skipped: set[str] = set()
    for step in reversed(flow.list_from_last()):
        if step.condition is not None or not may_be_skipped.isdisjoint(step.needs):
            may_be_skipped.add(step.name)
        if queues[step.job][1] and (
            step.name in may_be_skipped
            or step.is_fan_out
            or len(dependents[step.name]) > 1
            or parse_template(step.data).uses("needs")
        ):
            near = chain(step.needs, (other.name for other in dependents[step.name]), homes)
            gates[step.name] = next(homes[name] for name in near if name in homes)
    return gates
