"""Ticks of declared schedules: what each adds, from a job or run with its data to a job an item.

Ids are made of schedule, tick and item, so a tick that is run again adds nothing twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, Protocol

from toril.declarations.expression import SCHEDULE_VARIABLES, Template, parse_template
from toril.declarations.instants import format_basic_instant
from toril.declarations.pipeline import Pipeline
from toril.declarations.schedule import Schedule
from toril.errors import AddError
from toril.runtime.codec import encode_json
from toril.runtime.job import NewJob, StoredJob
from toril.runtime.schedules import read_tick_ms


class BuildJob(Protocol):
    """Makes a job of a type; raises UnknownName or AddError."""

    def __call__(
        self, job_type: str, data: Any, *, id: str, priority: int | None = None
    ) -> NewJob: ...


@dataclass(frozen=True)
class Tick:
    """One tick of a schedule, and what it adds."""

    schedule: Schedule
    instant_ms: int

    @property
    def facts(self) -> dict[str, Any]:
        """What expressions know of it: `schedule`."""
        text = format_basic_instant(self.instant_ms)
        return {"name": self.schedule.name, "tick": text, "tick_ms": self.instant_ms}

    @property
    def is_trigger(self) -> bool:
        """Whether its job has no processor: it starts a flow, or adds the jobs of items."""
        return self.schedule.flow is not None or self.schedule.foreach is not None

    @property
    def has_own_data(self) -> bool:
        """Whether its data is other than that of the tick before."""
        return bool(self._data.parts)

    def render_data(self) -> Any:
        """Gives the data of a tick that adds one job or run; raises ExpressionError."""
        return self._data.render({"schedule": self.facts, "item": None})

    def build_job(self, item: Any, build: BuildJob) -> NewJob:
        """Makes the job of one item; raises ExpressionError or AddError."""
        known = {"schedule": self.facts, "item": item}
        job_type = self.schedule.job
        assert job_type is not None
        return build(
            job_type,
            self._data.render(known),
            id=self._choose_id(item, known),
            priority=self._choose_priority(known),
        )

    def _choose_id(self, item: Any, known: Mapping[str, Any]) -> str:
        if self._id is not None:
            return str(self._id.render(known))
        digest = sha256(encode_json(item, "item")).hexdigest()[:16]
        return f"{self.schedule.name}-{known['schedule']['tick']}-{digest}"

    def _choose_priority(self, known: Mapping[str, Any]) -> int | None:
        priority = self._priority.render(known)
        if priority is not None and type(priority) is not int:
            raise AddError(f"expected a priority, got {priority!r}")
        return priority

    @cached_property
    def _data(self) -> Template:
        return parse_template(self.schedule.data, SCHEDULE_VARIABLES)

    @cached_property
    def _id(self) -> Template | None:
        job_id = self.schedule.job_id
        return None if job_id is None else parse_template(job_id, SCHEDULE_VARIABLES)

    @cached_property
    def _priority(self) -> Template:
        return parse_template(self.schedule.priority, SCHEDULE_VARIABLES)


def find_tick(pipeline: Pipeline, job: StoredJob) -> Tick | None:
    """Gives the tick of a declared schedule that a job stands for; None for any other job."""
    schedule = pipeline.schedules.get(job.repeat_key or "")
    if schedule is None or job.name not in (schedule.job, schedule.flow):
        return None
    tick_ms = read_tick_ms(job)
    return Tick(schedule, job.timestamp_ms if tick_ms is None else tick_ms)
