"""Puts the declarations of all files together into a pipeline."""

from __future__ import annotations

from typing import Any

from toril.config.build import (
    build_flow,
    build_job_type,
    build_plugin_settings,
    build_queue,
    build_redis,
    build_schedule,
)
from toril.config.context import Context
from toril.declarations.pipeline import Pipeline


def assemble_pipeline(context: Context) -> Pipeline:
    """Builds the pipeline of a configuration without errors."""
    values: dict[str, Any] = context.top.value
    root = context.root.resolve()
    entries = context.entries
    return Pipeline(
        root=root,
        project=values.get("project", root.name),
        redis=build_redis(values.get("redis") or {}),
        plugins=build_plugin_settings(values.get("plugins") or {}, root),
        timezone=context.timezone,
        queues={
            name: build_queue(name, queue.value, context.defaults("queue"))
            for name, queue in entries.queues.items()
        },
        jobs={
            name: build_job_type(
                name,
                job.value,
                defaults=context.defaults("job"),
                queue_defaults=context.queue_defaults(job),
                params=context.params.get(name, {}),
                data_schema=context.data_schemas.get(name),
            )
            for name, job in entries.jobs.items()
        },
        schedules={
            name: build_schedule(name, schedule.value, timezone=context.timezone)
            for name, schedule in entries.schedules.items()
        },
        flows={name: build_flow(name, flow.value) for name, flow in entries.flows.items()},
    )
