"""Puts the declarations of all files together into a pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toril.config.build import (
    build_dead_letter,
    build_flow,
    build_job_type,
    build_plugin_settings,
    build_queue,
    build_redis,
    build_schedule,
)
from toril.config.context import Context
from toril.config.entries import Entry
from toril.declarations.dead_letter import DeadLetterRule
from toril.declarations.pipeline import Pipeline
from toril.declarations.queue import Queue


def assemble_pipeline(context: Context) -> Pipeline:
    """Builds the pipeline of a configuration without errors."""
    values: dict[str, Any] = context.top.value
    root = context.root.resolve()
    entries = context.entries
    handlers = context.jobs_by_queue()
    queues = {
        name: build_queue(name, queue.value, context.defaults("queue"), handlers=handlers)
        for name, queue in entries.queues.items()
    }
    settings = {name: context.merged(job) for name, job in entries.jobs.items()}
    queues_of_jobs = {
        name: (job.value["queue"], queues[job.value["queue"]].served_by == "external")
        for name, job in entries.jobs.items()
    }
    return Pipeline(
        root=root,
        project=values.get("project", root.name),
        redis=build_redis(values.get("redis") or {}),
        plugins=build_plugin_settings(values.get("plugins") or {}, root),
        timezone=context.timezone,
        queues=queues,
        jobs={
            name: build_job_type(
                name,
                job.value,
                defaults=context.defaults("job"),
                queue_defaults=context.queue_defaults(job),
                params=context.params.get(name, {}),
                data_schema=context.data_schemas.get(name),
                dead_letter=_find_dead_letter(job, queues, handlers),
            )
            for name, job in entries.jobs.items()
        },
        schedules={
            name: build_schedule(name, schedule.value, timezone=context.timezone)
            for name, schedule in entries.schedules.items()
        },
        flows={
            name: build_flow(name, flow.value, settings=settings, queues=queues_of_jobs)
            for name, flow in entries.flows.items()
        },
    )


def _find_dead_letter(
    job: Entry, queues: Mapping[str, Queue], handlers: Mapping[str, list[str]]
) -> DeadLetterRule | None:
    said = job.value.get("dead_letter")
    if said is None:
        return queues[job.value["queue"]].dead_letter
    return build_dead_letter(said, handlers) if said is not False else None
