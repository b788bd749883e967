"""Tells lifecycle hooks and the log what happens to jobs, once Redis has accepted it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from toril.clock import Clock
from toril.plugins.observers import Observers
from toril.runtime.job import ClaimedJob, NewJob
from toril.runtime.outcomes import (
    Completed,
    Failed,
    GivenBack,
    Letter,
    MovedToWaitingChildren,
    Postponed,
    Retried,
)
from toril.runtime.own_fields import RUN
from toril.runtime.schedules import read_tick_ms
from toril.runtime.worker.execution import Execution

#: Takes an event's stable name and its fields; `runner/log_lines.py` words it.
OnEvent = Callable[[str, Mapping[str, Any]], None]

_RUN = RUN.encode()

#: Replies to a settlement that mean: the job is no longer this worker's.
_LOST_CODES = frozenset({-2, -3, -6})


class News:
    """One method for each thing that can happen.

    Every event of a job has `queue job job_type attempt`; see the methods for what else it has.
    """

    def __init__(
        self,
        clock: Clock,
        observers: Observers,
        on_event: OnEvent | None,
        *,
        tells_starts: bool = True,
    ) -> None:
        self._clock = clock
        self._observers = observers
        self._on_event = on_event
        self._tells_starts = tells_starts and on_event is not None
        self._watches_start = observers.is_watched("toril_job_started")
        self._watches_ticks = observers.is_watched("toril_schedule_fired")
        self._watches_completed = observers.is_watched("toril_job_completed")
        #: Takes each step that has ended; None if nobody asks.
        self.on_step_ended: Callable[[Execution], None] | None = None

    def say(self, event: str, fields: Mapping[str, Any]) -> None:
        """Announces an event that is of no single job."""
        if self._on_event is not None:
            self._on_event(event, fields)

    def started(self, execution: Execution) -> None:
        """`job_started`."""
        if self._watches_start:
            self._notify("toril_job_started", execution, attempt=execution.attempt)
        if self._watches_ticks and execution.job.repeat_key and execution.attempt == 1:
            self._fired(execution)
        if self._tells_starts:
            self._tell("job_started", execution)

    def progressed(self, queue: str, job_id: str, job_type: str, progress: Any) -> None:
        """Hook only: there may be many."""
        if self._observers.is_watched("toril_job_progress"):
            fields = {"queue": queue, "job_id": job_id, "job_type": job_type}
            self._observers.notify("toril_job_progress", **fields, progress=progress)

    def settled(self, execution: Execution) -> None:
        """One of `job_completed job_failed job_retrying job_postponed job_rate_limited
        job_waits_for_children job_given_back`, with `run_ms`."""
        outcome = execution.outcome
        if isinstance(outcome, Completed):
            if self._watches_completed:
                self._notify("toril_job_completed", execution, result=execution.result)
            if self._on_event is not None:
                self._tell("job_completed", execution, run_ms=self._run_ms(execution))
        elif outcome is not None:
            self._settled_otherwise(execution)
        if self.on_step_ended is not None and _RUN in execution.job.fields:
            self.on_step_ended(execution)

    def _fired(self, execution: Execution) -> None:
        job = execution.job
        tick_ms = read_tick_ms(job)
        self._observers.notify(
            "toril_schedule_fired",
            schedule=job.repeat_key,
            tick_ms=job.timestamp_ms if tick_ms is None else tick_ms,
            queue=job.queue,
            job_id=job.id,
        )

    def _settled_otherwise(self, execution: Execution) -> None:
        outcome, attempt = execution.outcome, execution.attempt
        run_ms = self._run_ms(execution)
        if isinstance(outcome, Failed):
            self._notify("toril_job_failed", execution, error=outcome.reason, attempt=attempt)
            self._tell("job_failed", execution, error=outcome.reason, run_ms=run_ms)
            if outcome.letter is not None:
                self._left_letter(execution, outcome.letter, outcome.reason)
        elif isinstance(outcome, Retried):
            fields = {"error": outcome.reason, "delay_ms": outcome.delay_ms}
            self._notify("toril_job_retrying", execution, **fields, attempt=attempt)
            self._tell("job_retrying", execution, **fields, run_ms=run_ms)
        elif isinstance(outcome, Postponed):
            self._tell("job_postponed", execution, until_ms=outcome.until_ms, run_ms=run_ms)
        elif isinstance(outcome, GivenBack) and outcome.limit_ms:
            self._tell("job_rate_limited", execution, limit_ms=outcome.limit_ms, run_ms=run_ms)
        elif isinstance(outcome, MovedToWaitingChildren):
            self._tell("job_waits_for_children", execution, run_ms=run_ms)
        else:
            self._tell("job_given_back", execution, run_ms=run_ms)

    def _left_letter(self, execution: Execution, letter: Letter, error: str) -> None:
        """`dead_letter_added`: `letter`, `letter_queue`."""
        self._observers.notify(
            "toril_dead_letter_added",
            queue=letter.queue,
            job_id=letter.id,
            from_queue=execution.served.name,
            from_id=execution.job.id,
            job_type=execution.name,
            error=error,
        )
        where = {"letter": letter.id, "letter_queue": letter.queue}
        self._tell("dead_letter_added", execution, **where)

    def refused(self, execution: Execution, code: int) -> None:
        """`lock_lost`, or `job_gone` when the job was removed meanwhile, with `code`."""
        self._tell("lock_lost" if code in _LOST_CODES else "job_gone", execution, code=code)

    def lost(self, execution: Execution) -> None:
        """`lock_lost` while the job runs: it is cancelled."""
        self._tell("lock_lost", execution)

    def overdue(self, execution: Execution) -> None:
        """`job_overdue`: a thread runs past its timeout and cannot be stopped; `timeout_ms`."""
        if execution.limit is not None:
            self._tell("job_overdue", execution, timeout_ms=execution.limit.ms)

    def unsettled(self, execution: Execution, error: BaseException) -> None:
        """`job_unsettled`: Redis does not take how the job ended, and is asked again; `error`."""
        self._tell("job_unsettled", execution, error=f"{type(error).__name__}: {error}")

    def blocked(self, execution: Execution | None, seconds: float, where: str) -> None:
        """`loop_blocked`: a job held the event loop; `blocked_s`, `where`."""
        if execution is not None:
            self._tell("loop_blocked", execution, blocked_s=seconds, where=where)
        else:
            self.say("loop_blocked", {"blocked_s": seconds, "where": where})

    def paused(self, seconds: float) -> None:
        """`worker_paused`: nothing of the process ran, through no job's fault; `paused_s`."""
        self.say("worker_paused", {"paused_s": seconds})

    def flow_started(self, trigger: ClaimedJob, run: str, jobs: Sequence[NewJob]) -> None:
        """`flow_started`: `queue job flow run`; the hook is told of each job that was added."""
        self.jobs_added(jobs)
        fields = {"queue": trigger.queue, "job": trigger.id, "flow": trigger.name, "run": run}
        self.say("flow_started", fields)

    def jobs_added(self, jobs: Sequence[NewJob]) -> None:
        """Hook only: there may be many."""
        for job in jobs:
            where = {"queue": job.queue, "job_id": job.id}
            self._observers.notify("toril_job_added", **where, job_type=job.name)

    def skipped(self, execution: Execution) -> None:
        """`step_skipped`: a step of a flow that completes without running."""
        self._tell("step_skipped", execution)

    def tick_skipped(self, execution: Execution, reason: str) -> None:
        """`tick_skipped`: a tick that completes without running; `schedule reason`."""
        self._tell("tick_skipped", execution, schedule=execution.job.repeat_key, reason=reason)

    def schedule_ended(self, job: ClaimedJob, error: Exception) -> None:
        """`schedule_ended`: a peer stored what has no next tick; `queue job schedule error`."""
        fields = {"queue": job.queue, "job": job.id, "schedule": job.repeat_key}
        self.say("schedule_ended", {**fields, "error": str(error)})

    def _notify(self, hook: str, execution: Execution, **fields: Any) -> None:
        where = {"queue": execution.served.name, "job_id": execution.job.id}
        self._observers.notify(hook, **where, job_type=execution.name, **fields)

    def _tell(self, event: str, execution: Execution, **fields: Any) -> None:
        if self._on_event is not None:
            fields["queue"], fields["job"] = execution.served.name, execution.job.id
            fields["job_type"], fields["attempt"] = execution.name, execution.attempt
            self._on_event(event, fields)

    def _run_ms(self, execution: Execution) -> int:
        return self._clock.now_ms() - execution.started_ms
