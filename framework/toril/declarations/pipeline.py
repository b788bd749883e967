"""A pipeline: everything that one configuration directory declares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from toril.declarations.dead_letter import UNHANDLED, DeadLetterRule
from toril.declarations.flow import Flow, Step
from toril.declarations.job_type import JobType
from toril.declarations.queue import Queue
from toril.declarations.schedule import Schedule


@dataclass(frozen=True, kw_only=True, slots=True)
class RedisSettings:
    """Where the jobs live."""

    #: A redis URL (may be a `secret://` reference), or `embedded`.
    url: str = "embedded"
    prefix: str = "bull"
    #: One idle named connection per queue, by which BullMQ's tools count workers.
    announce_workers: bool = True
    #: How often the embedded server flushes its append-only file to disk.
    fsync: Literal["everysec", "always"] = "everysec"


@dataclass(frozen=True, kw_only=True, slots=True)
class PluginSettings:
    """Which plugins are loaded."""

    #: Local plugin files, absolute, inside the configuration root.
    paths: tuple[Path, ...] = ()
    disable: tuple[str, ...] = ()
    #: Settings of plugins by their names; secrets are references still.
    config: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pipeline:
    """One configuration directory, read, checked and resolved."""

    #: The directory, absolute.
    root: Path
    #: Owner mark of what Toril creates in Redis.
    project: str
    redis: RedisSettings = field(default_factory=RedisSettings)
    plugins: PluginSettings = field(default_factory=PluginSettings)
    #: `defaults.timezone`: where an instant's text names no zone.
    timezone: str = "UTC"
    queues: Mapping[str, Queue] = field(default_factory=dict)
    jobs: Mapping[str, JobType] = field(default_factory=dict)
    schedules: Mapping[str, Schedule] = field(default_factory=dict)
    flows: Mapping[str, Flow] = field(default_factory=dict)

    @property
    def dead_letter_rules(self) -> tuple[DeadLetterRule, ...]:
        """Where failed jobs leave their copies, each rule as often as it is said."""
        said = [job.dead_letter for job in self.jobs.values()]
        said += [queue.dead_letter for queue in self.queues.values()]
        return tuple(rule for rule in said if rule is not None)

    @property
    def worked_queues(self) -> tuple[Queue, ...]:
        """The queues that Toril's workers claim from: not one where dead letters only lie."""
        kept = {rule.queue for rule in self.dead_letter_rules if rule.job == UNHANDLED}
        queues = (queue for queue in self.queues.values() if queue.served_by == "toril")
        return tuple(queue for queue in queues if queue.name not in kept)

    def queue_of_step(self, step: Step) -> str:
        """Gives the queue of the step's own job."""
        return step.gate or self.jobs[step.job].queue

    def queue_of_schedule(self, schedule: Schedule) -> Queue:
        """The queue its ticks are added to: the job's, or that of the flow's last steps.

        A flow is started by a Toril worker, so a queue that another runtime serves is passed over
        for that of another step.
        """
        if schedule.job is not None:
            return self.queues[self.jobs[schedule.job].queue]
        flow = self.flows[schedule.flow or ""]
        steps = (*flow.last_steps, *flow.steps.values())
        queues = [self.queues[self.queue_of_step(step)] for step in steps]
        return next((queue for queue in queues if queue.served_by == "toril"), queues[0])
