"""What is done to declared schedules by hand: pausing, resuming, running one now."""

from __future__ import annotations

from toril.clock import Clock
from toril.declarations.instants import format_basic_instant
from toril.declarations.pipeline import Pipeline
from toril.declarations.schedule import Schedule
from toril.errors import WrongState
from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.schedules import (
    Upserted,
    mark_paused,
    remove_schedule,
    upsert_schedule,
)
from toril.runtime.job import NewJob
from toril.runtime.keys import QueueKeys
from toril.runtime.schedules import build_schedule, first_tick_ms
from toril.runtime.steps import Steps


def pause_schedule(pipeline: Pipeline, schedule: Schedule) -> Steps[bool]:
    """Takes a schedule's ticks away until it is resumed; gives False if it was paused before."""
    keys = find_keys(pipeline, schedule)
    # The mark comes first: a runner that heals schedules meanwhile must find it.
    is_new: bool = yield mark_paused(keys, schedule.name, is_paused=True)
    yield remove_schedule(keys, schedule.name, owner=pipeline.project)
    return is_new


def resume_schedule(pipeline: Pipeline, schedule: Schedule, clock: Clock) -> Steps[int | None]:
    """Has a paused schedule tick again, and gives its next tick; ticks in between are left out.

    Raises WrongState if it was not paused.
    """
    keys = find_keys(pipeline, schedule)
    was_paused: bool = yield mark_paused(keys, schedule.name, is_paused=False)
    if not was_paused:
        raise WrongState(f"schedule {schedule.name!r} is not paused")
    now_ms = clock.now_ms()
    if not schedule.enabled or (schedule.at_ms is not None and schedule.at_ms <= now_ms):
        return None
    new = build_schedule(pipeline, schedule)
    next_ms = first_tick_ms(new, now_ms=now_ms)
    done: Upserted = yield upsert_schedule(keys, new, now_ms=now_ms, next_ms=next_ms)
    return done.next_ms


def build_extra_tick(pipeline: Pipeline, schedule: Schedule, *, now_ms: int) -> NewJob:
    """Makes the job of a tick beside the declared ones, which is now."""
    new = build_schedule(pipeline, schedule)
    priority = new.opts.get("priority", 0)
    return NewJob(
        queue=pipeline.queue_of_schedule(schedule).name,
        id=f"{schedule.name}-now-{format_basic_instant(now_ms)}",
        name=new.name,
        data=new.data,
        opts={name: value for name, value in new.opts.items() if name != "priority"},
        timestamp_ms=now_ms,
        priority=priority,
        schedule=schedule.name,
    )


def run_schedule(pipeline: Pipeline, schedule: Schedule, clock: Clock) -> Steps[NewJob]:
    """Adds the job of a tick that is now, and gives it; the declared ticks stay as they are."""
    now_ms = clock.now_ms()
    job = build_extra_tick(pipeline, schedule, now_ms=now_ms)
    yield add_jobs(pipeline.redis.prefix, [job], now_ms=now_ms)
    return job


def find_keys(pipeline: Pipeline, schedule: Schedule) -> QueueKeys:
    """Gives the keys of the queue that a schedule's ticks are added to."""
    return QueueKeys(pipeline.redis.prefix, pipeline.queue_of_schedule(schedule).name)
