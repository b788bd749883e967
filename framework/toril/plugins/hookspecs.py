"""Every hook a plugin may implement.

Registration hooks return descriptors. Lifecycle hooks look on: sync or async, keyword arguments
only; one that raises is logged, counted, muted after repeated failures, and never harms the job.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from toril.plugins.decorators import hookspec
from toril.plugins.descriptors import BackoffType, Processor, SecretProvider, Source


class HookSpecs:
    """The door for plugins; `job_type` is the job's name, times are ms since the epoch."""

    @hookspec
    def toril_processors(self) -> Iterable[Processor]:  # type: ignore[empty-body]
        """Brings processors."""

    @hookspec
    def toril_sources(self) -> Iterable[Source]:  # type: ignore[empty-body]
        """Brings sources of items for schedules."""

    @hookspec
    def toril_backoffs(self) -> Iterable[BackoffType]:  # type: ignore[empty-body]
        """Brings backoff types."""

    @hookspec
    def toril_secret_providers(self) -> Iterable[SecretProvider]:  # type: ignore[empty-body]
        """Brings resolvers of `secret://NAME/...`."""

    @hookspec
    def toril_job_added(self, queue: str, job_id: str, job_type: str) -> None:
        """A job was added by this process."""

    @hookspec
    def toril_job_started(self, queue: str, job_id: str, job_type: str, attempt: int) -> None:
        """A job starts to run in this worker."""

    @hookspec
    def toril_job_progress(self, queue: str, job_id: str, job_type: str, progress: Any) -> None:
        """A job running in this worker told how far it is."""

    @hookspec
    def toril_job_completed(self, queue: str, job_id: str, job_type: str, result: Any) -> None:
        """A job completed, and Redis accepted it."""

    @hookspec
    def toril_job_failed(
        self, queue: str, job_id: str, job_type: str, error: str, attempt: int
    ) -> None:
        """A job failed for good."""

    @hookspec
    def toril_job_retrying(
        self, queue: str, job_id: str, job_type: str, error: str, attempt: int, delay_ms: int
    ) -> None:
        """An attempt failed; another one follows after `delay_ms`."""

    @hookspec
    def toril_job_stalled(self, queue: str, job_id: str) -> None:
        """A job was given back because nobody renewed its lock."""

    @hookspec
    def toril_dead_letter_added(
        self, queue: str, job_id: str, from_queue: str, from_id: str, job_type: str, error: str
    ) -> None:
        """A job failed for good and left a copy, `job_id`, in its dead-letter queue."""

    @hookspec
    def toril_schedule_fired(self, schedule: str, tick_ms: int, queue: str, job_id: str) -> None:
        """A tick's job starts in this worker, for its first attempt; not told of skipped ticks."""

    @hookspec
    def toril_flow_finished(self, flow: str, run: str, state: str) -> None:
        """A run has ended, `completed` or `failed`, with a step that this worker settled."""

    @hookspec
    def toril_worker_started(self, worker: str, queues: tuple[str, ...]) -> None:
        """A worker process is ready to claim jobs."""

    @hookspec
    def toril_worker_stopped(self, worker: str) -> None:
        """A worker process has stopped claiming and settled what it ran."""
