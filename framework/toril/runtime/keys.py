"""Every Redis key, spelled once."""

from __future__ import annotations

from dataclasses import dataclass

#: What stands after the queue's base for a key of the queue itself; no job may be called so.
QUEUE_SUFFIXES = frozenset(
    {
        "active",
        "completed",
        "delay",
        "delayed",
        "events",
        "failed",
        "id",
        "limiter",
        "marker",
        "meta",
        "metrics",
        "paused",
        "pc",
        "prioritized",
        "priority",
        "repeat",
        "stalled",
        "stalled-check",
        "wait",
        "waiting-children",
    }
)


@dataclass(frozen=True, slots=True)
class QueueKeys:
    """The keys of one queue, `PREFIX:QUEUE:...`."""

    prefix: str
    queue: str

    def __post_init__(self) -> None:
        if not self.queue or ":" in self.queue:
            raise ValueError(f"expected a queue name without ':', got {self.queue!r}")
        if not self.prefix:
            raise ValueError("expected a prefix, got ''")

    @property
    def base(self) -> str:
        """What every key of the queue begins with; scripts build the other keys from it."""
        return f"{self.prefix}:{self.queue}:"

    @property
    def qualified_name(self) -> str:
        """`PREFIX:QUEUE`, by which a job names its parent's queue."""
        return f"{self.prefix}:{self.queue}"

    @property
    def wait(self) -> str:
        return f"{self.base}wait"

    @property
    def paused(self) -> str:
        """Where BullMQ v5 keeps waiting jobs of a paused queue; read and merged, never written."""
        return f"{self.base}paused"

    @property
    def active(self) -> str:
        return f"{self.base}active"

    @property
    def prioritized(self) -> str:
        return f"{self.base}prioritized"

    @property
    def pc(self) -> str:
        """The counter that orders jobs of one priority."""
        return f"{self.base}pc"

    @property
    def delayed(self) -> str:
        return f"{self.base}delayed"

    @property
    def waiting_children(self) -> str:
        return f"{self.base}waiting-children"

    @property
    def completed(self) -> str:
        return f"{self.base}completed"

    @property
    def failed(self) -> str:
        return f"{self.base}failed"

    @property
    def meta(self) -> str:
        return f"{self.base}meta"

    @property
    def events(self) -> str:
        return f"{self.base}events"

    @property
    def marker(self) -> str:
        """The wake-up tokens that idle workers block on."""
        return f"{self.base}marker"

    @property
    def stalled(self) -> str:
        return f"{self.base}stalled"

    @property
    def stalled_check(self) -> str:
        return f"{self.base}stalled-check"

    @property
    def limiter(self) -> str:
        return f"{self.base}limiter"

    @property
    def repeat(self) -> str:
        """Job schedulers and the instant of each one's pending iteration."""
        return f"{self.base}repeat"

    @property
    def id(self) -> str:
        """BullMQ's counter of generated ids."""
        return f"{self.base}id"

    def scheduler(self, schedule_id: str) -> str:
        return f"{self.base}repeat:{schedule_id}"

    def deduplication(self, dedup_id: str) -> str:
        return f"{self.base}de:{dedup_id}"

    def own(self, name: str) -> str:
        """A key of Toril's own, where Node's clean-up leaves it alone; see own_fields.py."""
        return f"{self.base}meta:t:{name}"

    def paused_schedules(self) -> str:
        """A hash whose fields are the declared schedules that are paused."""
        return self.own("paused-schedules")

    def cancel_channel(self) -> str:
        """The channel on which workers hear of active jobs that are cancelled."""
        return self.own("cancel")

    def job(self, job_id: str) -> str:
        return f"{self.base}{job_id}"

    def lock(self, job_id: str) -> str:
        return f"{self.base}{job_id}:lock"

    def logs(self, job_id: str) -> str:
        return f"{self.base}{job_id}:logs"

    def dependencies(self, job_id: str) -> str:
        """Keys of children that have not ended."""
        return f"{self.base}{job_id}:dependencies"

    def processed(self, job_id: str) -> str:
        """Results of completed children by their key."""
        return f"{self.base}{job_id}:processed"

    def ignored_failures(self, job_id: str) -> str:
        """Reasons of failed children that do not fail this job, by their key."""
        return f"{self.base}{job_id}:failed"

    def unsuccessful(self, job_id: str) -> str:
        """Keys of failed children that fail this job."""
        return f"{self.base}{job_id}:unsuccessful"

    def of(self, queue: str) -> QueueKeys:
        """The keys of another queue with the same prefix."""
        return QueueKeys(self.prefix, queue)


def parse_job_key(key: str) -> tuple[str, str, str]:
    """Splits `PREFIX:QUEUE:ID`; the prefix may hold colons, queue and id may not."""
    parts = key.rsplit(":", 2)
    if len(parts) != 3 or not all(parts):
        raise ValueError(f"expected PREFIX:QUEUE:ID, got {key!r}")
    return parts[0], parts[1], parts[2]
