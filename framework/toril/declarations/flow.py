"""A flow: jobs that need each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from toril.declarations.child_failure import ChildFailure


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One job of a flow, and the steps whose results it needs."""

    name: str
    job: str
    needs: tuple[str, ...] = ()
    #: JSON with `${{ }}` in its strings; `inputs` and `needs.STEP.result` are known there.
    data: Any = field(default_factory=dict)
    #: Text that is one `${{ }}`, or a boolean; None: it runs unless a step it needs was skipped.
    condition: str | bool | None = None
    #: What its failure for good means to those that need it.
    on_failure: ChildFailure = ChildFailure.FAIL


@dataclass(frozen=True, kw_only=True, slots=True)
class Flow:
    """A tree of steps: every step has one dependent but the last, which has none."""

    name: str
    #: JSON Schema of the inputs; None takes any object.
    inputs: Mapping[str, Any] | bool | None = None
    steps: Mapping[str, Step]

    @property
    def last_step(self) -> Step:
        """The step nothing depends on: the root of BullMQ's tree."""
        needed = {name for step in self.steps.values() for name in step.needs}
        return next(step for step in self.steps.values() if step.name not in needed)

    def dependent_of(self, step: str) -> Step | None:
        """The one step that needs this one, or None for the last."""
        return next((other for other in self.steps.values() if step in other.needs), None)
