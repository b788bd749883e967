"""What the checks of references share: all entries, the defaults, the plugins, what they found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toril.config.document import Document
from toril.config.document import Path as Keys
from toril.config.entries import Entries, Entry
from toril.config.layers import merge_job_layers
from toril.plugins.manager import PluginManager

DEFAULT_TIMEZONE = "UTC"


@dataclass(kw_only=True, slots=True)
class Context:
    """One loading, after the shape of every file is known."""

    root: Path
    top: Document
    entries: Entries
    #: None: unknown, so that nothing is said of processors and the like.
    plugins: PluginManager | None
    #: The JSON Schema of each job's data, from its file if it is in one.
    data_schemas: dict[str, Any] = field(default_factory=dict)
    #: The JSON Schema of each flow's inputs.
    flow_inputs: dict[str, Any] = field(default_factory=dict)
    #: Of each flow that was asked about, whether Toril works a queue of it.
    gated_flows: dict[str, bool] = field(default_factory=dict)
    #: The parameters of each job's processor.
    params: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    #: What `merged` gave, by file and place: several checks ask for the same job.
    _merged: dict[tuple[str, Keys], Mapping[str, Any]] = field(default_factory=dict)

    def defaults(self, key: str) -> Mapping[str, Any]:
        """Gives a part of `defaults:`, empty unless it is there and its shape is right."""
        value = self.top.value.get("defaults") if isinstance(self.top.value, dict) else None
        part = value.get(key) if isinstance(value, dict) else None
        sound = ("defaults", key) not in self.top.bad and isinstance(part, dict)
        return part if sound and isinstance(part, dict) else {}

    @property
    def timezone(self) -> str:
        """The time zone of schedules that name none."""
        value = self.top.value.get("defaults") if isinstance(self.top.value, dict) else None
        zone = value.get("timezone") if isinstance(value, dict) else None
        return zone if isinstance(zone, str) else DEFAULT_TIMEZONE

    def queue_of(self, job: Entry) -> Entry | None:
        """Gives the queue of a job, if it is declared and its shape is right."""
        queue = self.entries.queues.get(job.value["queue"])
        return queue if queue is not None and queue.is_sound else None

    def jobs_by_queue(self) -> dict[str, list[str]]:
        """Gives the names of the jobs of each queue, as far as they say one."""
        jobs: dict[str, list[str]] = {}
        for job in self.entries.jobs.values():
            if job.has("queue"):
                jobs.setdefault(job.value["queue"], []).append(job.name)
        return jobs

    def queue_defaults(self, job: Entry) -> Mapping[str, Any]:
        """Gives what the job's queue says of its jobs."""
        queue = self.queue_of(job)
        return (queue.value or {}).get("job", {}) if queue is not None else {}

    def merged(self, job: Entry) -> Mapping[str, Any]:
        """Gives the job's settings over its queue's and the defaults."""
        place = (job.document.source.file, job.path)
        if place not in self._merged:
            layers = self.defaults("job"), self.queue_defaults(job)
            below = {} if job.over is None else job.over.value
            self._merged[place] = merge_job_layers(*layers, below, job.value)
        return self._merged[place]

    def origin(self, job: Entry, *keys: str) -> tuple[Document, Keys]:
        """Gives the place where a setting of the job is said: its own, the queue's, the default."""
        if _has(job.value, keys):
            return job.document, (*job.path, *keys)
        if job.over is not None:
            return self.origin(job.over, *keys)
        queue = self.queue_of(job)
        if queue is not None and _has(self.queue_defaults(job), keys):
            return queue.document, (*queue.path, "job", *keys)
        return self.top, ("defaults", "job", *keys)


def is_external(queue: Entry) -> bool:
    """Whether another runtime works the queue."""
    return bool(queue.value) and queue.value.get("served_by") == "external"


def _has(value: Any, keys: tuple[str, ...]) -> bool:
    for key in keys:
        if not isinstance(value, dict) or key not in value:
            return False
        value = value[key]
    return True
