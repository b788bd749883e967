"""Calls on job schedulers, BullMQ's records behind schedules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from toril.errors import WrongState
from toril.runtime.call import Call
from toril.runtime.codec import (
    decode_json,
    decode_opts,
    encode_json,
    encode_opts,
    validate_schedule_id,
)
from toril.runtime.keys import QueueKeys
from toril.runtime.own_fields import SCHEDULE_JITTER, SCHEDULE_OWNER
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
    #: No tick comes after it.
    end_ms: int | None = None
    #: How far the ticks of an interval are from its multiples since the epoch; None: as far as the
    #: first one, which is now.
    offset_ms: int | None = None
    #: How many ticks there are in all.
    limit: int | None = None
    #: JSON.
    data: bytes = b"{}"
    #: What each job is added with, by public names; a priority above 0 among them.
    opts: Mapping[str, Any] = field(default_factory=dict)
    #: The job of each tick is due up to so much later.
    jitter_ms: int = 0
    #: The project that declares it; None for one that an application made.
    owner: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Upserted:
    """What an upsert found and did."""

    #: One of unchanged, created, changed, healed (its next tick was lost), over (no tick is left
    #: before its end, so it is not there now).
    action: str
    next_ms: int | None


@dataclass(frozen=True, slots=True)
class ScheduleTemplate:
    """Data and options of the jobs that a job scheduler adds; decoded when asked for."""

    data_json: bytes
    opts_json: bytes

    @property
    def data(self) -> Any:
        """Raises InvalidData if a peer stored no JSON; so does `opts`."""
        return decode_json(self.data_json)

    @property
    def opts(self) -> dict[str, Any]:
        """BullMQ's options by their public names."""
        return decode_opts(self.opts_json)


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
    end_ms: int | None
    offset_ms: int | None
    limit: int | None
    #: What its jobs are added with.
    template: ScheduleTemplate
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


#: No tick is left before its end.
OVER = 4
_ACTIONS = ("unchanged", "created", "changed", "healed")


def upsert_schedule(
    keys: QueueKeys, schedule: NewSchedule, *, now_ms: int, next_ms: int | None
) -> Call[Upserted]:
    """Creates or changes a job scheduler; one that is as it should be is left alone.

    `next_ms` is the next tick of a cron expression, None when none is left before its end, and for
    an interval. Raises InvalidJobId for an id that the layout cannot hold; the reply raises
    WrongState if the scheduler is another project's, or other jobs took its next ids.
    """
    validate_schedule_id(schedule.id)
    if (schedule.cron is None) == (schedule.every_ms is None):
        raise ValueError("expected a cron expression or an interval, and only one of them")
    if schedule.cron is None and next_ms is not None:
        raise ValueError("expected next_ms only for a cron expression")
    tick = _pack_tick(schedule.id, schedule.opts, _describe_repeat(schedule))
    args = (now_ms, schedule.id, "" if next_ms is None else next_ms, _pack_record(schedule), tick)

    def parse(reply: list[Any]) -> Upserted:
        code = int(reply[0])
        if code == OVER:
            return Upserted(action="over", next_ms=None)
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


def add_next_tick(
    keys: QueueKeys, tick: NextTick, *, now_ms: int, since_ms: int | None = None
) -> Call[int | None]:
    """Adds the tick that follows, and gives its instant; None when nothing is to be added.

    An interval leaves out ticks before `since_ms`, None: now. May come again: only the pending
    tick has a successor.
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
        _positive(tick.repeat.get("endDate")),
    )
    next_ms = "" if tick.next_ms is None else tick.next_ms
    args = (
        now_ms,
        tick.schedule,
        tick.producer,
        next_ms,
        packed,
        now_ms if since_ms is None else since_ms,
    )
    return Call("next_tick", (keys.base,), args, lambda reply: int(reply) if reply else None)


def enter_tick(
    keys: QueueKeys, schedule: str, tick: str, ends: Sequence[tuple[QueueKeys, str]]
) -> Call[bool]:
    """Lets a tick begin, unless the work of a former one has not ended.

    `ends` are the jobs with which its own work ends, by queue and id. May come again.
    """
    packed = pack([[place.base, job_id] for place, job_id in ends])
    return Call("enter_tick", (keys.base,), (schedule, tick, packed), bool)


def remove_schedule(keys: QueueKeys, schedule: str, *, owner: str | None = None) -> Call[bool]:
    """Removes a job scheduler with its pending tick; gives False if there is none.

    With an `owner`, one that is not that project's stays, and False is given too.
    """
    args = (schedule, owner or "")
    return Call("remove_schedule", (keys.base,), args, lambda reply: reply == 1)


def read_schedule(keys: QueueKeys, schedule: str) -> Call[ScheduleRecord | None]:
    """Reads one job scheduler; None when there is none of that id."""

    def parse(reply: Any) -> ScheduleRecord | None:
        return _to_record(keys.queue, *reply) if reply else None

    return Call("read_schedule", (keys.base,), (schedule,), parse)


def count_schedules(keys: QueueKeys) -> Call[int]:
    """Counts the job schedulers of a queue."""
    return Call(None, (), ("ZCARD", keys.repeat), int)


def list_schedules(
    keys: QueueKeys, *, first: int = 0, count: int | None = None
) -> Call[list[ScheduleRecord]]:
    """Reads job schedulers of the queue, all or a page, the one that ticks next first."""
    last = -1 if count is None else first + count - 1
    if count is not None and (count <= 0 or first < 0):
        return Call(None, (), ("PING",), lambda _: [])

    def parse(reply: list[Any]) -> list[ScheduleRecord]:
        return [_to_record(keys.queue, *row) for row in reply]

    return Call("list_schedules", (keys.base,), (first, last), parse)


def read_paused(keys: QueueKeys) -> Call[set[str]]:
    """Reads which schedules of a queue are paused, by name."""

    def parse(reply: list[bytes]) -> set[str]:
        return {name.decode("utf-8", "replace") for name in reply}

    return Call(None, (), ("HKEYS", keys.paused_schedules()), parse)


def mark_paused(keys: QueueKeys, schedule: str, *, is_paused: bool) -> Call[bool]:
    """Notes that a schedule is paused, or not any more; tells whether that is new."""
    key = keys.paused_schedules()
    command = ("HSET", key, schedule, 1) if is_paused else ("HDEL", key, schedule)
    return Call(None, (), command, lambda reply: reply == 1)


def _describe_repeat(schedule: NewSchedule) -> dict[str, Any]:
    repeat: dict[str, Any] = {}
    if schedule.cron is not None:
        repeat["pattern"] = schedule.cron
        repeat["tz"] = schedule.timezone
    else:
        repeat["every"] = schedule.every_ms
        repeat["offset"] = schedule.offset_ms
    repeat["startDate"] = schedule.start_ms
    repeat["endDate"] = schedule.end_ms
    if schedule.limit is not None:
        repeat["limit"] = schedule.limit
    if schedule.jitter_ms:
        repeat["jitter"] = schedule.jitter_ms
    return repeat


def _pack_record(schedule: NewSchedule) -> bytes:
    fields: dict[str, Any] = {
        "name": schedule.name,
        "pattern": schedule.cron,
        "tz": schedule.timezone if schedule.cron is not None else None,
        "every": schedule.every_ms,
        "startDate": schedule.start_ms,
        "endDate": schedule.end_ms,
        "offset": schedule.offset_ms,
        "limit": schedule.limit,
        # Never left out: a v5 worker would copy a tick's own data into a record that has none.
        "data": schedule.data,
        "opts": encode_opts(schedule.opts) if schedule.opts else None,
        SCHEDULE_OWNER: schedule.owner,
        SCHEDULE_JITTER: schedule.jitter_ms or None,
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
            _positive(repeat.get("jitter")),
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
        end_ms=_integer(fields.get("endDate")),
        offset_ms=_integer(fields.get("offset")),
        limit=_integer(fields.get("limit")),
        template=ScheduleTemplate(
            fields.get("data", "{}").encode(), fields.get("opts", "{}").encode()
        ),
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
