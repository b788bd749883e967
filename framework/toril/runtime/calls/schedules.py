"""Calls on job schedulers, BullMQ's records behind schedules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from toril.errors import WrongState
from toril.runtime.call import Call
from toril.runtime.codec import encode_json, encode_opts
from toril.runtime.keys import QueueKeys
from toril.runtime.own_fields import SCHEDULE_OWNER
from toril.runtime.packing import pack
from toril.runtime.states import JobState


@dataclass(frozen=True, kw_only=True, slots=True)
class NewSchedule:
    """A job scheduler as it should be; exactly one of cron and every_ms."""

    id: str
    #: Name of the jobs it adds.
    name: str
    cron: str | None = None
    #: IANA name for `cron`; Node would take its own local zone.
    timezone: str | None = None
    every_ms: int | None = None
    start_ms: int | None = None
    #: How many ticks there are in all.
    limit: int | None = None
    #: JSON.
    data: bytes = b"{}"
    #: What each job is added with, by public names; a priority above 0 among them.
    opts: Mapping[str, Any] = field(default_factory=dict)
    #: The project that declares it.
    owner: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Upserted:
    """What an upsert found and did."""

    #: One of unchanged, created, changed, healed.
    action: str
    next_ms: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ScheduleRecord:
    """A job scheduler as it is stored, by whoever."""

    id: str
    queue: str
    name: str
    cron: str | None
    timezone: str | None
    every_ms: int | None
    start_ms: int | None
    limit: int | None
    #: Ticks that were added so far, the pending one included.
    added_ticks: int
    owner: str | None
    #: The tick that was added last: pending, running, or over.
    next_ms: int
    tick_state: JobState
    #: When the job of that tick was added; None when it is gone.
    tick_added_ms: int | None

    @property
    def is_pending(self) -> bool:
        """Whether its tick is still to come."""
        return self.tick_state in (JobState.DELAYED, JobState.WAITING, JobState.PRIORITIZED)

    @property
    def fired_ticks(self) -> int:
        """How often a worker started a tick of it."""
        return self.added_ticks - self.is_pending

    @property
    def last_ms(self) -> int | None:
        """When a worker last started a tick, as far as Redis knows."""
        if not self.is_pending:
            return self.next_ms
        return self.tick_added_ms if self.added_ticks > 1 else None


_ACTIONS = ("unchanged", "created", "changed", "healed")


def upsert_schedule(
    keys: QueueKeys, schedule: NewSchedule, *, now_ms: int, next_ms: int | None
) -> Call[Upserted]:
    """Creates or changes a job scheduler; one that is as it should be is left alone.

    `next_ms` is the next tick of a cron expression, None for an interval. The reply raises
    WrongState if the scheduler is another project's, or other jobs took its next ids.
    """
    if (schedule.cron is None) == (next_ms is not None):
        raise ValueError("expected next_ms for a cron expression, and only for one")
    tick = _pack_tick(schedule.id, schedule.opts, _describe_repeat(schedule))
    args = (now_ms, schedule.id, "" if next_ms is None else next_ms, _pack_record(schedule), tick)

    def parse(reply: list[Any]) -> Upserted:
        code = int(reply[0])
        where = f"schedule {schedule.id!r} of queue {keys.queue!r}"
        if code == -6:
            raise WrongState(
                f"{where} belongs to project {reply[1].decode('utf-8', 'replace')!r}; "
                "rename one of the two"
            )
        if code < 0:
            raise WrongState(f"the ids of the next ticks of {where} are taken; remove those jobs")
        return Upserted(action=_ACTIONS[code], next_ms=int(reply[1]))

    return Call("upsert_schedule", (keys.base,), args, parse)


@dataclass(frozen=True, kw_only=True, slots=True)
class NextTick:
    """The tick that follows one that a worker started."""

    schedule: str
    #: Id of the job that was started.
    producer: str
    #: When it is, by cron; None: the interval says.
    next_ms: int | None
    #: Its number.
    count: int
    #: Options of the started job, without what belongs to its own tick.
    opts: Mapping[str, Any]
    #: Its `repeat` option.
    repeat: Mapping[str, Any]
    dedup_id: str | None = None
    #: The schedule's id may be one of BullMQ's old repeatable jobs, which have no successor here.
    is_old_kind: bool = False


def add_next_tick(keys: QueueKeys, tick: NextTick, *, now_ms: int) -> Call[int | None]:
    """Adds the tick that follows, and gives its instant; None when nothing is to be added.

    May come again: only the pending tick has a successor.
    """
    packed = _pack_tick(
        tick.schedule,
        tick.opts,
        tick.repeat,
        tick.dedup_id or False,
        tick.count,
        _positive(tick.repeat.get("every")),
        _positive(tick.repeat.get("offset")),
        int(tick.is_old_kind),
    )
    next_ms = "" if tick.next_ms is None else tick.next_ms
    args = (now_ms, tick.schedule, tick.producer, next_ms, packed)
    return Call("next_tick", (keys.base,), args, lambda reply: int(reply) if reply else None)


def remove_schedule(keys: QueueKeys, schedule: str, *, owner: str | None = None) -> Call[bool]:
    """Removes a job scheduler with its pending tick; gives False if there is none.

    With an `owner`, one that is not that project's stays, and False is given too.
    """
    args = (schedule, owner or "")
    return Call("remove_schedule", (keys.base,), args, lambda reply: reply == 1)


def list_schedules(keys: QueueKeys) -> Call[list[ScheduleRecord]]:
    """Reads every job scheduler of the queue, the one that ticks next first."""

    def parse(reply: list[Any]) -> list[ScheduleRecord]:
        return [_to_record(keys.queue, *row) for row in reply]

    return Call("list_schedules", (keys.base,), (), parse)


def _describe_repeat(schedule: NewSchedule) -> dict[str, Any]:
    repeat: dict[str, Any] = {}
    if schedule.cron is not None:
        repeat["pattern"] = schedule.cron
        repeat["tz"] = schedule.timezone
    else:
        repeat["every"] = schedule.every_ms
    if schedule.start_ms is not None:
        repeat["startDate"] = schedule.start_ms
    if schedule.limit is not None:
        repeat["limit"] = schedule.limit
    return repeat


def _pack_record(schedule: NewSchedule) -> bytes:
    fields: dict[str, Any] = {
        "name": schedule.name,
        "pattern": schedule.cron,
        "tz": schedule.timezone if schedule.cron is not None else None,
        "every": schedule.every_ms,
        "startDate": schedule.start_ms,
        "limit": schedule.limit,
        # Never left out: a v5 worker would copy a tick's own data into a record that has none.
        "data": schedule.data,
        "opts": encode_opts(schedule.opts) if schedule.opts else None,
        SCHEDULE_OWNER: schedule.owner,
    }
    flat: list[Any] = []
    for name, value in fields.items():
        if value is not None:
            flat += [name, value if isinstance(value, bytes) else str(value)]
    return pack(flat)


def _pack_tick(
    schedule: str, opts: Mapping[str, Any], repeat: Mapping[str, Any], *more: Any
) -> bytes:
    """Writes the options as JSON that the script only has to complete: it never parses any."""
    head = encode_opts(opts)[:-1] + (b"," if opts else b"")
    inside = encode_json({name: value for name, value in repeat.items() if value is not None})
    quoted = encode_json(schedule)
    priority = opts.get("priority")
    return pack(
        [
            head,
            inside[1:-1],
            quoted[1:-1],
            priority if isinstance(priority, int) and priority > 0 else 0,
            opts.get("lifo") is True,
            *(more or (False,)),
        ]
    )


def _positive(value: Any) -> int | bool:
    return int(value) if isinstance(value, int | float) and value > 0 else False


def _to_record(
    queue: str, raw_id: bytes, next_ms: bytes, flat: list[bytes], state: bytes, added: bytes | None
) -> ScheduleRecord:
    fields = {
        name.decode(): value.decode("utf-8", "replace")
        for name, value in zip(flat[::2], flat[1::2], strict=True)
    }
    return ScheduleRecord(
        id=raw_id.decode("utf-8", "replace"),
        queue=queue,
        name=fields.get("name", ""),
        cron=fields.get("pattern"),
        timezone=fields.get("tz"),
        every_ms=_integer(fields.get("every")),
        start_ms=_integer(fields.get("startDate")),
        limit=_integer(fields.get("limit")),
        added_ticks=_integer(fields.get("ic")) or 1,
        owner=fields.get(SCHEDULE_OWNER),
        next_ms=int(next_ms),
        tick_state=JobState(state.decode()),
        tick_added_ms=_integer(added.decode()) if added else None,
    )


def _integer(text: str | None) -> int | None:
    try:
        return None if text is None else int(text)
    except ValueError:
        return None
