"""Runs claimed jobs: on the loop, in a thread or a process, within their timeout, to an outcome."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

from toril.declarations.backoff import WaitFactory
from toril.errors import Cancelled, PluginError, Unrecoverable
from toril.runtime.codec import decode_json
from toril.runtime.outcomes import Completed, Settlement
from toril.runtime.own_fields import LIMIT_KEYS
from toril.runtime.worker.deadlines import Deadlines
from toril.runtime.worker.decide import (
    ClaimedUnbound,
    StepSkipped,
    TickSkipped,
    decide_skip,
    decide_success,
    give_back,
)
from toril.runtime.worker.execution import Cause, Execution
from toril.runtime.worker.ground import Ground
from toril.runtime.worker.handles import Reports, RunningJob, RunningThreadJob
from toril.runtime.worker.judging import find_policy, judge
from toril.runtime.worker.lifetime import TimeLimit, check_lifetime, find_limit
from toril.runtime.worker.plans import Plan
from toril.runtime.worker.preparation import Preparation
from toril.runtime.worker.processes import Decided, Processes
from toril.runtime.worker.served_queue import ServedQueue
from toril.runtime.worker.threads import Threads

_LIMIT_KEYS = LIMIT_KEYS.encode()

#: Takes a run and how it ended; None: the job was lost, nothing is to be settled.
OnEnded = Callable[[Execution, Settlement | None], None]


class Launcher:
    """Starts executions."""

    def __init__(
        self,
        ground: Ground,
        queues: Sequence[ServedQueue],
        *,
        preparation: Preparation,
        threads: Threads,
        processes: Processes | None,
        backoffs: Mapping[str, WaitFactory],
        reports: Mapping[str, Reports],
        client: Any,
        thread_client: Any,
    ) -> None:
        self._ground = ground
        self._preparation = preparation
        self._threads = threads
        self._processes = processes
        self._backoffs = backoffs
        self._reports = reports
        self._client = client
        self._thread_client = thread_client
        self._deadlines = Deadlines(ground.alarms, ground.clock, queues, on_over=self._end)

    def launch(self, execution: Execution, on_ended: OnEnded) -> None:
        """Runs the job in a task of its own; calls back with its outcome, None if it was lost.

        From Python 3.12 on it starts at once, and costs no turn of the loop if it never waits.
        """
        _create_task(self._run(execution, on_ended))

    async def _run(self, execution: Execution, on_ended: OnEnded) -> None:
        execution.task = asyncio.current_task()
        try:
            if execution.cause is not None:
                raise asyncio.CancelledError
            execution.result = await self._process(execution)
            outcome = self._accept(execution)
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001 - the edge of a processor; SystemExit too
            outcome = self._judge(execution, error)
        on_ended(execution, outcome)

    async def _process(self, execution: Execution) -> Any:
        job = execution.job
        is_plain = self._preparation.is_plain(job)
        if not is_plain:
            await self._preparation.prepare(job)
            tick = self._preparation.find_trigger(job)
            if tick is not None:
                self._ground.news.started(execution)
                return await self._preparation.fire(job, tick)
            await self._preparation.let_go(job)
            if self._preparation.is_skipped(job):
                raise StepSkipped
            if self._preparation.is_fan_out(job):
                self._ground.news.started(execution)
                return await self._preparation.run_items(job)
        plan = execution.plan
        if plan is None:
            raise Unrecoverable(self._preparation.explain_missing(job))
        limit = plan.limit
        if plan.is_mortal:
            now_ms = self._ground.clock.now_ms()
            check_lifetime(plan.job_type, job, now_ms=now_ms)
            limit = find_limit(plan.job_type, job, now_ms=now_ms)
        if is_plain:
            data = self._preparation.decode_data(job)
        else:
            data = await self._preparation.read_data(job)
        if (
            plan.limit_keys is not None
            and _LIMIT_KEYS not in job.fields
            and await self._preparation.bind_to_keys(job, plan.limit_keys, data)
        ):
            raise ClaimedUnbound
        handle = self._make_handle(execution, plan, data)
        if plan.runs_in_process:
            return await self._run_in_process(execution, plan, limit)
        self._ground.news.started(execution)
        if plan.runs_in_thread:
            return await self._run_in_thread(execution, plan, handle, limit)
        if limit is not None:
            self._deadlines.begin(execution, limit)
        result = plan.function(handle, *plan.arguments)
        return await result if plan.is_async or inspect.isawaitable(result) else result

    def _make_handle(
        self, execution: Execution, plan: Plan, data: Any
    ) -> RunningJob | RunningThreadJob:
        make = RunningThreadJob if plan.runs_in_thread else RunningJob
        execution.handle = make(
            execution.job,
            data=data,
            retry=plan.job_type.retry,
            results=self._preparation.read_results(execution.job),
            client=self._thread_client if plan.runs_in_thread else self._client,
            reports=self._reports[execution.job.queue],
        )
        return execution.handle

    async def _run_in_process(
        self, execution: Execution, plan: Plan, limit: TimeLimit | None
    ) -> Any:
        """Runs the job in a process, which is killed at its limit, or when the run is stopped."""
        if self._processes is None:
            raise PluginError(f"job {plan.job_type.name!r} runs in a process; use `toril run`")
        job = execution.job
        async with self._processes.lend(plan) as process:
            self._ground.news.started(execution)
            now_ms = self._ground.clock.now_ms()
            if plan.is_mortal:
                # A fresh process has taken of the time that was left.
                limit = find_limit(plan.job_type, job, now_ms=now_ms)
            if limit is not None:
                self._deadlines.begin(execution, limit)
            return await process.run(job, plan, now_ms=now_ms, reports=self._reports[job.queue])

    async def _run_in_thread(
        self, execution: Execution, plan: Plan, handle: Any, limit: TimeLimit | None
    ) -> Any:
        """Runs a plain function; at its limit it is only told, for a thread cannot be stopped.

        The slot stays taken until the function returns: no second run starts beside it.
        """
        if limit is not None:
            self._deadlines.begin(execution, limit)
        is_ok, value = await self._threads.run(partial(plan.function, handle, *plan.arguments))
        if limit is not None and execution.is_overdue:
            raise limit.exceeded() from (None if is_ok else value)
        if not is_ok:
            raise value
        return await value if inspect.isawaitable(value) else value

    def _end(self, execution: Execution) -> None:
        """Cancels a run that is over its limit; one in a thread is only told."""
        if not isinstance(execution.handle, RunningThreadJob):
            execution.stop(Cause.TIMED_OUT)
            return
        execution.is_overdue = True
        execution.handle.cancel()
        self._ground.news.overdue(execution)

    def _accept(self, execution: Execution) -> Settlement | None:
        if execution.cause is Cause.LOST:
            return None
        if execution.cause is Cause.CANCELLED:
            return self._judge(execution, Cancelled(execution.cancel_reason))
        if isinstance(execution.result, Decided):
            outcome = execution.result.outcome
            execution.result = (
                decode_json(outcome.result) if isinstance(outcome, Completed) else None
            )
            return outcome
        retry, keep = find_policy(execution.plan)
        return decide_success(execution.job, execution.result, retry=retry, keep=keep)

    def _judge(self, execution: Execution, error: BaseException) -> Settlement | None:
        if execution.cause is Cause.LOST:
            return None
        if execution.cause is Cause.STOPPING and isinstance(error, asyncio.CancelledError):
            return give_back(execution.job)
        if execution.cause is Cause.TIMED_OUT and isinstance(error, asyncio.CancelledError):
            assert execution.limit is not None
            cancelled, error = error, execution.limit.exceeded()
            error.__cause__ = cancelled
        if isinstance(error, ClaimedUnbound):
            return give_back(execution.job)
        if isinstance(error, StepSkipped):
            self._ground.news.skipped(execution)
            return decide_skip(execution.job, keep=find_policy(execution.plan)[1])
        if isinstance(error, TickSkipped):
            self._ground.news.tick_skipped(execution, str(error))
            return decide_success(
                execution.job, {"skipped": str(error)}, keep=find_policy(execution.plan)[1]
            )
        if execution.cause is Cause.CANCELLED and not isinstance(error, Cancelled):
            error = Cancelled(execution.cancel_reason)
        return judge(
            execution.job,
            error,
            plan=execution.plan,
            now_ms=self._ground.clock.now_ms(),
            factories=self._backoffs,
            has_added_children=execution.handle is not None and execution.handle.has_added_children,
        )


def _create_task(coroutine: Coroutine[Any, Any, None]) -> None:
    """Starts a task; its first step keeps hold of it."""
    loop = asyncio.get_running_loop()
    if sys.version_info >= (3, 12):
        asyncio.Task(coroutine, loop=loop, eager_start=True)
    else:
        loop.create_task(coroutine)  # noqa: RUF006 - the ready queue holds it until then
