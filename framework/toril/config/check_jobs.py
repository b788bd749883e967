"""Checks jobs: queue, processor and its parameters, where it runs, backoff, data schema."""

from __future__ import annotations

from toril.config.check_backoff import check_backoff
from toril.config.check_data_schema import check_data_schema
from toril.config.check_parameters import check_parameters
from toril.config.check_unique import check_unique
from toril.config.context import Context, is_external
from toril.config.entries import Entry
from toril.config.lookups import find_entry
from toril.config.suggestions import list_known, suggest
from toril.plugins.descriptors import Processor

#: Settings that only the worker that runs the job heeds.
FOR_RUNS = ("timeout", "run_in", "max_memory", "recycle_after", "expires_in", "deadline")
#: Settings of the process that runs the job.
_FOR_PROCESSES = ("max_memory", "recycle_after")


def check_jobs(context: Context) -> None:
    """Checks every job whose shape is right, and of the others what can be."""
    for job in context.entries.jobs.values():
        if job.has("data_schema"):
            check_data_schema(context, job)
        queue = None
        if job.has("queue"):
            queue = find_entry(context, "queues", job, ("queue",), job.value["queue"])
        if job.has("use") and (queue is None or not queue.is_sound or not is_external(queue)):
            _check_processor(context, job)
        if job.is_sound and queue is not None and queue.is_sound:
            _check_on_queue(context, job, queue)


def _check_on_queue(context: Context, job: Entry, queue: Entry) -> None:
    external = is_external(queue)
    if external:
        _check_external(job, queue)
    elif "use" not in job.value:
        message = f"job {job.name!r} has no processor"
        hint = "add `use: ...`, or `served_by: external` to its queue if another runtime works it"
        job.add("T208", (), message, hint=hint, at_key=True)
    check_backoff(context, job, external=external)
    check_unique(context, job)


def _check_external(job: Entry, queue: Entry) -> None:
    place = f"another runtime works queue {queue.name!r}"
    for key in ("use", "with"):
        if key in job.value:
            hint = "remove it, or `served_by: external` from the queue"
            job.add("T207", (key,), f"{key!r} cannot be used: {place}", hint=hint, at_key=True)
    warn_of_run_settings(job, queue)


def warn_of_run_settings(job: Entry, queue: Entry) -> None:
    """Warns of what a job on an external queue says that only Toril's workers heed."""
    place = f"another runtime works queue {queue.name!r}"
    retry = job.value.get("retry")
    paths: list[tuple[str, ...]] = [(key,) for key in FOR_RUNS if key in job.value]
    if isinstance(retry, dict):
        paths += [("retry", key) for key in ("on", "never_on") if key in retry]
    for path in paths:
        message = f"{path[-1]!r} has no effect: {place}"
        job.add("T212", path, message, hint="remove it", at_key=True)


def _check_processor(context: Context, job: Entry) -> None:
    if context.plugins is None:
        return
    name = job.value["use"]
    processor = context.plugins.processors.get(name)
    if processor is None:
        _report_unknown_processor(context, job, name)
        return
    if not job.has("with") and "with" in job.value:
        return
    check_parameters(context, job, processor)
    if job.is_sound:
        _check_where_it_runs(context, job, processor)


def _report_unknown_processor(context: Context, job: Entry, name: str) -> None:
    assert context.plugins is not None
    reason = context.plugins.explain_missing("processor", name)
    known = context.plugins.processors
    hint = suggest(name, known)
    if hint is None and reason is None:
        hint = list_known("processor", known)
    message = f"no plugin supplies a processor {name!r}" + (f"; {reason}" if reason else "")
    job.add("T205", ("use",), message, hint=hint)


def _check_where_it_runs(context: Context, job: Entry, processor: Processor) -> None:
    run_in = context.merged(job).get("run_in")
    for key in _FOR_PROCESSES:
        if key in job.value and run_in != "process":
            message = f"{key!r} has no effect: the job does not run in a process"
            job.add(
                "T212", (key,), message, hint="add `run_in: process`, or remove it", at_key=True
            )
    if run_in in (None, "process") or (run_in == "async") == processor.is_async:
        return
    kind, right = ("a coroutine", "async") if processor.is_async else ("a plain function", "thread")
    document, path = context.origin(job, "run_in")
    message = f"processor {processor.name!r} is {kind} and cannot run in {run_in!r}"
    document.add("T210", path, message, hint=f"write {right}, or remove 'run_in'")
