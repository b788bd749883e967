"""Schedules: bringing Redis to what the pipeline declares, and the tick after a started one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from toril.clock import Clock
from toril.declarations.cron import next_tick_ms
from toril.declarations.pipeline import Pipeline
from toril.declarations.schedule import Schedule
from toril.errors import WrongState
from toril.runtime.call import Call
from toril.runtime.calls.schedules import (
    NewSchedule,
    NextTick,
    ScheduleRecord,
    Upserted,
    add_next_tick,
    list_schedules,
    read_paused,
    remove_schedule,
    upsert_schedule,
)
from toril.runtime.codec import encode_json, to_integer
from toril.runtime.job import StoredJob
from toril.runtime.job_options import build_opts
from toril.runtime.keys import QueueKeys
from toril.runtime.sender import AsyncSender

#: The interval of an `at` schedule, which ticks once: a hundred years.
AT_EVERY_MS = 100 * 365 * 86_400_000 + 25 * 86_400_000

#: How the job that starts a flow is added; the flow's own steps have their own options.
TRIGGER_OPTS: Mapping[str, Any] = {
    "attempts": 3,
    "backoff": {"type": "fixed", "delay": 1000},
    "removeOnComplete": {"count": 100},
    "removeOnFail": {"count": 1000},
}

#: What a job's options say of its own tick, not of the next one.
_OWN_TO_A_TICK = ("jobId", "delay", "timestamp", "prevMillis", "repeatJobKey", "repeat")
_OLD_KIND = re.compile(r"[^:]*:[^:]*:[0-9]*:[^:]*:(?:.* .*|[0-9]+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class AppliedSchedule:
    """What became of one schedule."""

    name: str
    queue: str
    #: One of unchanged, created, changed, healed (its next tick was lost), removed, over (its
    #: instant had passed before it was first applied), paused (by hand), refused.
    action: str
    next_ms: int | None = None
    #: Why it was refused.
    reason: str | None = None


async def apply_schedules(
    sender: AsyncSender, pipeline: Pipeline, clock: Clock
) -> list[AppliedSchedule]:
    """Creates and changes what is declared, and removes what this project no longer declares.

    Any number of processes may do so at once: what is as declared stays untouched.
    """
    now_ms = clock.now_ms()
    queues = [QueueKeys(pipeline.redis.prefix, name) for name in pipeline.queues]
    found = await sender.send_many([list_schedules(keys) for keys in queues])
    paused = _find_paused(pipeline, await sender.send_many([read_paused(keys) for keys in queues]))
    pipeline = _switch_off(pipeline, paused)
    ours = [record for each in found for record in each if record.owner == pipeline.project]
    gone = [record for record in ours if not _is_declared(record, pipeline, now_ms)]
    removed = await _remove(sender, pipeline, gone)
    past, coming = _split(pipeline, now_ms)
    kept = {(record.queue, record.id) for record in ours} - {(a.queue, a.name) for a in removed}
    over = [_describe_past(pipeline, schedule, kept) for schedule in past]
    return [*removed, *over, *paused, *await _upsert(sender, pipeline, coming, now_ms)]


def _find_paused(pipeline: Pipeline, names: Sequence[set[str]]) -> list[AppliedSchedule]:
    """Gives the enabled schedules that are paused in their queues; `names` are queue by queue."""
    return [
        AppliedSchedule(name=schedule.name, queue=queue, action="paused")
        for queue, of_queue in zip(pipeline.queues, names, strict=True)
        for schedule in pipeline.schedules.values()
        if schedule.enabled
        and schedule.name in of_queue
        and pipeline.queue_of_schedule(schedule).name == queue
    ]


def _switch_off(pipeline: Pipeline, paused: Sequence[AppliedSchedule]) -> Pipeline:
    names = {one.name for one in paused}
    schedules = {
        name: replace(one, enabled=False) if name in names else one
        for name, one in pipeline.schedules.items()
    }
    return replace(pipeline, schedules=schedules)


def _is_declared(record: ScheduleRecord, pipeline: Pipeline, now_ms: int) -> bool:
    schedule = pipeline.schedules.get(record.id)
    if (
        schedule is None
        or not schedule.enabled
        or pipeline.queue_of_schedule(schedule).name != record.queue
    ):
        return False
    is_past = schedule.at_ms is not None and schedule.at_ms <= now_ms
    return not is_past or record.start_ms == schedule.at_ms


async def _remove(
    sender: AsyncSender, pipeline: Pipeline, records: Sequence[ScheduleRecord]
) -> list[AppliedSchedule]:
    calls = [
        remove_schedule(
            QueueKeys(pipeline.redis.prefix, record.queue), record.id, owner=pipeline.project
        )
        for record in records
    ]
    await sender.send_many(calls)
    return [AppliedSchedule(name=r.id, queue=r.queue, action="removed") for r in records]


def _split(pipeline: Pipeline, now_ms: int) -> tuple[list[Schedule], list[Schedule]]:
    """Parts enabled schedules of one instant that is over from those that still tick."""
    enabled = [schedule for schedule in pipeline.schedules.values() if schedule.enabled]
    past = [s for s in enabled if s.at_ms is not None and s.at_ms <= now_ms]
    return past, [schedule for schedule in enabled if schedule not in past]


def _describe_past(
    pipeline: Pipeline, schedule: Schedule, kept: Set[tuple[str, str]]
) -> AppliedSchedule:
    queue = pipeline.queue_of_schedule(schedule).name
    action = "unchanged" if (queue, schedule.name) in kept else "over"
    return AppliedSchedule(name=schedule.name, queue=queue, action=action, next_ms=None)


async def _upsert(
    sender: AsyncSender, pipeline: Pipeline, schedules: Sequence[Schedule], now_ms: int
) -> list[AppliedSchedule]:
    calls = []
    for schedule in schedules:
        keys = QueueKeys(pipeline.redis.prefix, pipeline.queue_of_schedule(schedule).name)
        new = build_schedule(pipeline, schedule)
        next_ms = first_tick_ms(new, now_ms=now_ms)
        calls.append(upsert_schedule(keys, new, now_ms=now_ms, next_ms=next_ms))
    replies = await sender.send_many(calls, return_exceptions=True)
    return [
        _describe(schedule, pipeline.queue_of_schedule(schedule).name, reply)
        for schedule, reply in zip(schedules, replies, strict=True)
    ]


def _describe(schedule: Schedule, queue: str, reply: Upserted | Exception) -> AppliedSchedule:
    if isinstance(reply, WrongState):
        return AppliedSchedule(name=schedule.name, queue=queue, action="refused", reason=str(reply))
    if isinstance(reply, Exception):
        raise reply
    return AppliedSchedule(
        name=schedule.name, queue=queue, action=reply.action, next_ms=reply.next_ms
    )


def build_schedule(pipeline: Pipeline, schedule: Schedule) -> NewSchedule:
    """Makes the job scheduler that stands for a schedule.

    That of a flow adds a job of the flow's name: the worker that claims it starts the flow. The job
    of one with a source stands for its items' jobs in the same way.
    """
    if schedule.job is not None and schedule.foreach is None:
        job_type = pipeline.jobs[schedule.job]
        opts = dict(build_opts(job_type, pipeline.queues[job_type.queue]))
        priority = job_type.priority
    else:
        opts, priority = dict(TRIGGER_OPTS), 0
    if isinstance(schedule.priority, int) and schedule.foreach is None:
        priority = schedule.priority
    is_once = schedule.at_ms is not None
    return NewSchedule(
        id=schedule.name,
        name=schedule.job or schedule.flow or "",
        cron=schedule.cron,
        timezone=schedule.timezone,
        every_ms=AT_EVERY_MS if is_once else schedule.every_ms,
        start_ms=schedule.at_ms if is_once else schedule.start_ms,
        end_ms=schedule.end_ms,
        limit=1 if is_once else schedule.limit,
        jitter_ms=schedule.jitter_ms,
        data=encode_json(schedule.data, f"data of schedule {schedule.name!r}"),
        opts={**opts, "priority": priority} if priority else opts,
        owner=pipeline.project,
    )


def first_tick_ms(schedule: NewSchedule, *, now_ms: int, immediately: bool = False) -> int | None:
    """Gives the next tick of a cron expression, None when none is left before its end.

    None for an interval too: its ticks are computed where it is stored. Raises ValueError for an
    expression or zone that cannot be read.
    """
    if schedule.cron is None:
        return None
    # A tick at the very start is one.
    after_ms = max(now_ms, (schedule.start_ms or 0) - 1)
    tick_ms = next_tick_ms(schedule.cron, after_ms, schedule.timezone or "UTC")
    if immediately:
        tick_ms = now_ms
    is_over = tick_ms is not None and schedule.end_ms is not None and tick_ms > schedule.end_ms
    return None if is_over else tick_ms


def read_tick_ms(job: StoredJob) -> int | None:
    """Gives the tick that a job was added for; None for a job of no schedule."""
    start = f"repeat:{job.repeat_key}:"
    if job.repeat_key is None or not job.id.startswith(start):
        return None
    text = job.id.removeprefix(start)
    return int(text) if text.isdecimal() else None


def follow_tick(
    keys: QueueKeys, job: StoredJob, *, now_ms: int, back_ms: int = 0
) -> Call[int | None] | None:
    """Builds the call that adds the tick after a job that was just claimed; None if none follows.

    Ticks that were missed are left out, but for those of the last `back_ms`. To be sent before the
    job runs, so that the schedule goes on whatever becomes of it. Raises ValueError for a cron
    expression, InvalidData for options, that a peer stored and nobody reads.
    """
    if job.repeat_key is None:
        return None
    since_ms = now_ms - back_ms
    tick = _build_next_tick(job, job.repeat_key, since_ms)
    return None if tick is None else add_next_tick(keys, tick, now_ms=now_ms, since_ms=since_ms)


def _build_next_tick(job: StoredJob, schedule: str, since_ms: int) -> NextTick | None:
    opts = job.opts
    repeat = opts.get("repeat")
    repeat = dict(repeat) if isinstance(repeat, Mapping) else {}
    count = _number(repeat.pop("count", None), 1) + 1
    limit, end_ms = _number(repeat.get("limit")), _number(repeat.get("endDate"))
    if (limit and count > limit) or (end_ms and since_ms > end_ms):
        return None
    repeat.pop("immediately", None)
    pattern = repeat.get("pattern")
    next_ms = None
    if isinstance(pattern, str):
        next_ms = _next_by_pattern(pattern, repeat, _number(opts.get("prevMillis")), since_ms)
        if next_ms is None or (end_ms and next_ms > end_ms):
            return None
    return NextTick(
        schedule=schedule,
        producer=job.id,
        next_ms=next_ms,
        count=count,
        opts={name: value for name, value in opts.items() if name not in _OWN_TO_A_TICK},
        repeat=repeat,
        dedup_id=job.deduplication_id,
        is_old_kind=bool(_OLD_KIND.fullmatch(schedule)),
    )


def _next_by_pattern(
    pattern: str, repeat: Mapping[str, Any], prev_ms: int, since_ms: int
) -> int | None:
    after_ms = max(since_ms, prev_ms, _number(repeat.get("startDate")))
    timezone = repeat.get("tz")
    return next_tick_ms(pattern, after_ms, timezone if isinstance(timezone, str) else "UTC")


def _number(value: Any, default: int = 0) -> int:
    return to_integer(value) if isinstance(value, int | float) else default
