"""Tests of lua/upsert_schedule, next_tick, remove_schedule, list_schedules."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from toril.errors import InvalidJobId, WrongState
from toril.runtime.calls.schedules import (
    NewSchedule,
    NextTick,
    ScheduleRecord,
    ScheduleTemplate,
    Upserted,
    add_next_tick,
    count_schedules,
    list_schedules,
    read_schedule,
    remove_schedule,
    upsert_schedule,
)
from toril.runtime.states import JobState

NOW = 1_790_000_000_000
HOUR = 3_600_000
DAILY = NewSchedule(
    id="daily",
    name="report",
    cron="0 9 * * *",
    timezone="UTC",
    data=b'{"x":1}',
    opts={"attempts": 3},
    owner="trading",
)
EVERY = NewSchedule(id="beat", name="beat", every_ms=HOUR, owner="trading")
AT = NewSchedule(
    id="once", name="once", every_ms=99 * HOUR, start_ms=NOW + HOUR, limit=1, owner="trading"
)


def upsert(schedule: NewSchedule, *, now_ms: int = NOW, next_ms: int | None = None):
    if schedule.cron is not None and next_ms is None:
        next_ms = NOW + 5_000
    return lambda keys: upsert_schedule(keys, schedule, now_ms=now_ms, next_ms=next_ms)


def follow(schedule: str, tick_ms: int, *, now_ms: int = NOW, next_ms: int | None = None, **more):
    tick = NextTick(
        schedule=schedule,
        producer=f"repeat:{schedule}:{tick_ms}",
        next_ms=next_ms,
        count=more.pop("count", 2),
        opts=more.pop("opts", {}),
        repeat=more.pop("repeat", {"pattern": "x"} if next_ms else {"every": HOUR}),
        **more,
    )
    return lambda keys: add_next_tick(keys, tick, now_ms=now_ms)


def delayed_until(ms: int) -> int:
    return ms * 4096


def activate(job_id: str):
    """What a claim does to a tick, as far as schedules care."""
    return [("ZREM", "delayed", job_id), ("LREM", "wait", "0", job_id), ("LPUSH", "active", job_id)]


OFFSET = replace(EVERY, offset_ms=60_000)
#: The first instant a minute past an hour.
SLOT = NOW - NOW % HOUR + HOUR + 60_000
ENDED = replace(DAILY, end_ms=NOW + 1)
TICK = f"repeat:daily:{NOW + 5_000}"
BEAT = f"repeat:beat:{NOW}"
NEXT_BEAT = f"repeat:beat:{NOW + HOUR}"

TABLE = {
    "a cron schedule is stored with its pending tick": {
        "call": upsert(DAILY),
        "reply": Upserted(action="created", next_ms=NOW + 5_000),
        "after": {
            "repeat": {"daily": NOW + 5_000},
            "repeat:daily": {
                "name": "report",
                "pattern": "0 9 * * *",
                "tz": "UTC",
                "ic": "1",
                "data": '{"x":1}',
                "opts": '{"attempts":3}',
                "t:p": "trading",
                "every": None,
            },
            "delayed": {TICK: delayed_until(NOW + 5_000)},
            TICK: {
                "name": "report",
                "data": '{"x":1}',
                "rjk": "daily",
                "timestamp": str(NOW),
                "delay": "5000",
                "priority": "0",
            },
            "marker": {"1": NOW + 5_000},
        },
        "events": [
            f"added jobId={TICK} name=report",
            f"delayed jobId={TICK} delay={NOW + 5_000}",
        ],
    },
    "an unchanged schedule stays as it is": {
        "before": [upsert(DAILY)],
        "call": upsert(DAILY, now_ms=NOW + 6_000, next_ms=NOW + 99_000),
        "reply": Upserted(action="unchanged", next_ms=NOW + 5_000),
        "after": {"delayed": {TICK: delayed_until(NOW + 5_000)}},
        "events": [],
    },
    "a changed schedule replaces its pending tick": {
        "before": [upsert(DAILY)],
        "call": upsert(replace(DAILY, data=b"[2]"), next_ms=NOW + 7_000),
        "reply": Upserted(action="changed", next_ms=NOW + 7_000),
        "after": {
            "delayed": {f"repeat:daily:{NOW + 7_000}": delayed_until(NOW + 7_000)},
            TICK: None,
            "repeat:daily": {"data": "[2]", "ic": "1"},
        },
    },
    "a schedule changed while its tick runs lets it run": {
        "before": [upsert(DAILY), *activate(TICK)],
        "call": upsert(replace(DAILY, data=b"[2]"), next_ms=NOW + 7_000),
        "after": {
            "active": [TICK],
            "delayed": {f"repeat:daily:{NOW + 7_000}": delayed_until(NOW + 7_000)},
        },
    },
    "a running tick is alive": {
        "before": [upsert(DAILY), *activate(TICK)],
        "call": upsert(DAILY, next_ms=NOW + 7_000),
        "reply": Upserted(action="unchanged", next_ms=NOW + 5_000),
        "after": {"active": [TICK]},
    },
    "a lost tick is added again": {
        "before": [upsert(DAILY), ("ZREM", "delayed", TICK), ("DEL", TICK)],
        "call": upsert(DAILY, now_ms=NOW + 9_000, next_ms=NOW + 12_000),
        "reply": Upserted(action="healed", next_ms=NOW + 12_000),
        "after": {"delayed": {f"repeat:daily:{NOW + 12_000}": delayed_until(NOW + 12_000)}},
    },
    "a tick that ended without a successor is followed": {
        "before": [
            upsert(DAILY),
            ("ZREM", "delayed", TICK),
            ("ZADD", "completed", "1", TICK),
        ],
        "call": upsert(DAILY, now_ms=NOW + 9_000, next_ms=NOW + 12_000),
        "reply": Upserted(action="healed", next_ms=NOW + 12_000),
        "after": {
            "completed": {TICK: 1},
            "delayed": {f"repeat:daily:{NOW + 12_000}": delayed_until(NOW + 12_000)},
        },
    },
    "an interval ticks at once": {
        "call": upsert(EVERY),
        "reply": Upserted(action="created", next_ms=NOW),
        "after": {
            "wait": [BEAT],
            "repeat": {"beat": NOW},
            "repeat:beat": {"every": str(HOUR), "offset": str(NOW % HOUR), "pattern": None},
            "marker": {"0": 0},
        },
        "events": [f"added jobId={BEAT} name=beat", f"waiting jobId={BEAT}"],
    },
    "a changed interval starts anew": {
        "before": [upsert(EVERY)],
        "call": upsert(replace(EVERY, every_ms=2 * HOUR), now_ms=NOW + 7),
        "reply": Upserted(action="changed", next_ms=NOW + 7),
        "after": {"wait": [f"repeat:beat:{NOW + 7}"], BEAT: None},
    },
    "another change of an interval keeps its pending slot": {
        "before": [upsert(EVERY), *activate(BEAT), follow("beat", NOW)],
        "call": upsert(replace(EVERY, data=b"[1]"), now_ms=NOW + 7),
        "reply": Upserted(action="changed", next_ms=NOW + HOUR),
        "after": {
            "active": [BEAT],
            "delayed": {NEXT_BEAT: delayed_until(NOW + HOUR)},
            NEXT_BEAT: {"data": "[1]"},
        },
    },
    "a lost tick of an interval comes back in its own slot": {
        "before": [
            upsert(EVERY),
            *activate(BEAT),
            follow("beat", NOW),
            ("ZREM", "delayed", NEXT_BEAT),
            ("DEL", NEXT_BEAT),
        ],
        "call": upsert(EVERY, now_ms=NOW + 7),
        "reply": Upserted(action="healed", next_ms=NOW + HOUR),
        "after": {"active": [BEAT], "delayed": {NEXT_BEAT: delayed_until(NOW + HOUR)}},
    },
    "a lost tick of long ago is not made up for": {
        "before": [upsert(EVERY), ("DEL", "wait"), ("DEL", BEAT)],
        "call": upsert(EVERY, now_ms=NOW + 10 * HOUR + 1),
        "reply": Upserted(action="healed", next_ms=NOW + 11 * HOUR),
        "after": {"delayed": {f"repeat:beat:{NOW + 11 * HOUR}": delayed_until(NOW + 11 * HOUR)}},
    },
    "slots that finished jobs take are passed over": {
        "before": [("HSET", BEAT, "name", "x"), ("HSET", NEXT_BEAT, "name", "x")],
        "call": upsert(EVERY),
        "reply": Upserted(action="created", next_ms=NOW + 2 * HOUR),
        "after": {"delayed": {f"repeat:beat:{NOW + 2 * HOUR}": delayed_until(NOW + 2 * HOUR)}},
    },
    "an interval with an offset ticks at its own instants": {
        "call": upsert(OFFSET),
        "reply": Upserted(action="created", next_ms=SLOT),
        "after": {
            "repeat": {"beat": SLOT},
            "repeat:beat": {"every": str(HOUR), "offset": "60000", "ic": "1"},
            f"repeat:beat:{SLOT}": {"rjk": "beat"},
            "delayed": {f"repeat:beat:{SLOT}": delayed_until(SLOT)},
        },
    },
    "an interval with an offset as it is stays as it is": {
        "before": [upsert(OFFSET)],
        "call": upsert(OFFSET, now_ms=NOW + 5),
        "reply": Upserted(action="unchanged", next_ms=SLOT),
    },
    "another offset moves the pending tick": {
        "before": [upsert(OFFSET)],
        "call": upsert(replace(OFFSET, offset_ms=120_000)),
        "reply": Upserted(action="changed", next_ms=SLOT + 60_000),
        "after": {"delayed": {f"repeat:beat:{SLOT + 60_000}": delayed_until(SLOT + 60_000)}},
    },
    "an interval begins and ends when it is told to": {
        "call": upsert(replace(EVERY, start_ms=NOW + 10, end_ms=NOW + HOUR)),
        "reply": Upserted(action="created", next_ms=NOW + 10),
        "after": {
            "repeat:beat": {"startDate": str(NOW + 10), "endDate": str(NOW + HOUR)},
            "delayed": {f"repeat:beat:{NOW + 10}": delayed_until(NOW + 10)},
        },
    },
    "an interval that begins after its end is not stored": {
        "call": upsert(replace(EVERY, start_ms=NOW + 10, end_ms=NOW + 5)),
        "reply": Upserted(action="over", next_ms=None),
        "after": {"repeat": None, "repeat:beat": None},
        "events": [],
    },
    "one whose last tick before its end is over is gone": {
        "before": [
            upsert(replace(EVERY, end_ms=NOW + 10)),
            ("LREM", "wait", "0", BEAT),
            ("ZADD", "completed", NOW, BEAT),
        ],
        "call": upsert(replace(EVERY, end_ms=NOW + 10), now_ms=NOW + 5),
        "reply": Upserted(action="over", next_ms=None),
        "after": {"completed": {BEAT: NOW}, "repeat": None, "repeat:beat": None},
    },
    "one of cron without a tick before its end is taken away": {
        "before": [upsert(DAILY)],
        "call": lambda keys: upsert_schedule(keys, ENDED, now_ms=NOW, next_ms=None),
        "reply": Upserted(action="over", next_ms=None),
        "after": {"repeat": None, "repeat:daily": None, TICK: None},
    },
    "one that no project declares": {
        "call": upsert(replace(DAILY, owner=None)),
        "after": {
            "repeat:daily": {"t:p": None, "pattern": "0 9 * * *"},
            "delayed": {TICK: delayed_until(NOW + 5_000)},
        },
    },
    "one instant is waited for": {
        "call": upsert(AT),
        "reply": Upserted(action="created", next_ms=NOW + HOUR),
        "after": {
            "delayed": {f"repeat:once:{NOW + HOUR}": delayed_until(NOW + HOUR)},
            "repeat:once": {"limit": "1", "startDate": str(NOW + HOUR)},
        },
    },
    "one instant that was moved is waited for anew": {
        "before": [upsert(AT)],
        "call": upsert(replace(AT, start_ms=NOW + 2 * HOUR)),
        "reply": Upserted(action="changed", next_ms=NOW + 2 * HOUR),
        "after": {"delayed": {f"repeat:once:{NOW + 2 * HOUR}": delayed_until(NOW + 2 * HOUR)}},
    },
    "one instant that is over stays over": {
        "before": [
            upsert(AT),
            ("ZREM", "delayed", f"repeat:once:{NOW + HOUR}"),
            ("DEL", f"repeat:once:{NOW + HOUR}"),
        ],
        "call": upsert(AT, now_ms=NOW + 2 * HOUR),
        "reply": Upserted(action="unchanged", next_ms=NOW + HOUR),
        "after": {"repeat": {"once": NOW + HOUR}},
    },
    "one instant to come whose job was lost is waited for again": {
        "before": [
            upsert(AT),
            ("ZREM", "delayed", f"repeat:once:{NOW + HOUR}"),
            ("DEL", f"repeat:once:{NOW + HOUR}"),
        ],
        "call": upsert(AT),
        "reply": Upserted(action="healed", next_ms=NOW + HOUR),
        "after": {"delayed": {f"repeat:once:{NOW + HOUR}": delayed_until(NOW + HOUR)}},
    },
    "a tick with a priority goes to its priority": {
        "call": upsert(replace(EVERY, opts={"priority": 4})),
        "after": {"prioritized": {BEAT: 4 * 2**32 + 1}, BEAT: {"priority": "4"}},
    },
    "a record that Node rewrote is taken over": {
        "before": [upsert(DAILY), ("HDEL", "repeat:daily", "t:p")],
        "call": upsert(DAILY, next_ms=NOW + 7_000),
        "reply": Upserted(action="changed", next_ms=NOW + 7_000),
        "after": {
            "delayed": {f"repeat:daily:{NOW + 7_000}": delayed_until(NOW + 7_000)},
            "repeat:daily": {"t:p": "trading"},
        },
    },
    "a started tick is followed by the next": {
        "before": [upsert(EVERY), *activate(BEAT)],
        "call": follow("beat", NOW, now_ms=NOW + 3, opts={"attempts": 2}),
        "reply": NOW + HOUR,
        "after": {
            "active": [BEAT],
            "repeat": {"beat": NOW + HOUR},
            "repeat:beat": {"ic": "2"},
            "delayed": {NEXT_BEAT: delayed_until(NOW + HOUR)},
            NEXT_BEAT: {"rjk": "beat", "delay": str(HOUR - 3), "timestamp": str(NOW + 3)},
        },
        "events": [
            f"added jobId={NEXT_BEAT} name=beat",
            f"delayed jobId={NEXT_BEAT} delay={NOW + HOUR}",
        ],
    },
    "a repeatable job of v5's old kind keeps its data": {
        "before": [
            upsert(EVERY),
            *activate(BEAT),
            ("HDEL", "repeat:beat", "ic", "data"),
            ("HSET", BEAT, "data", '{"n":7}'),
        ],
        "call": follow("beat", NOW, now_ms=NOW + 3),
        "reply": NOW + HOUR,
        "after": {
            "active": [BEAT],
            "repeat": {"beat": NOW + HOUR},
            "repeat:beat": {"ic": "1", "data": '{"n":7}'},
            "delayed": {NEXT_BEAT: delayed_until(NOW + HOUR)},
            NEXT_BEAT: {"data": '{"n":7}'},
        },
    },
    "a tick started again has its successor already": {
        "before": [upsert(EVERY), *activate(BEAT), follow("beat", NOW)],
        "call": follow("beat", NOW),
        "reply": None,
        "after": {"active": [BEAT], "delayed": {NEXT_BEAT: delayed_until(NOW + HOUR)}},
        "events": [],
    },
    "ticks missed meanwhile are skipped, the offset kept": {
        "before": [upsert(EVERY), *activate(BEAT)],
        "call": follow("beat", NOW, now_ms=NOW + 5 * HOUR + 1),
        "reply": NOW + 6 * HOUR,
    },
    "a tick of cron is followed by the one given": {
        "before": [upsert(DAILY), *activate(TICK)],
        "call": follow("daily", NOW + 5_000, next_ms=NOW + 8_000),
        "reply": NOW + 8_000,
    },
    "the next tick has the record's data, whatever the last one had": {
        "before": [
            upsert(DAILY),
            *activate(TICK),
            ("HSET", "repeat:daily", "data", "[9]"),
            ("HSET", TICK, "data", "[1]"),
        ],
        "call": follow("daily", NOW + 5_000, next_ms=NOW + 8_000),
        "after": {
            "active": [TICK],
            "delayed": {f"repeat:daily:{NOW + 8_000}": delayed_until(NOW + 8_000)},
            f"repeat:daily:{NOW + 8_000}": {"data": "[9]"},
        },
    },
    "no tick follows after the end": {
        "before": [upsert(EVERY), *activate(BEAT)],
        "call": follow("beat", NOW, repeat={"every": HOUR, "endDate": NOW + HOUR - 1}),
        "reply": None,
        "after": {"active": [BEAT], "repeat": {"beat": NOW}},
        "events": [],
    },
    "a tick at the end itself follows": {
        "before": [upsert(EVERY), *activate(BEAT)],
        "call": follow("beat", NOW, repeat={"every": HOUR, "endDate": NOW + HOUR}),
        "reply": NOW + HOUR,
    },
    "a tick of a removed schedule has no successor": {
        "before": [upsert(EVERY), *activate(BEAT), lambda keys: remove_schedule(keys, "beat")],
        "call": follow("beat", NOW),
        "reply": None,
        "after": {"active": [BEAT], "repeat": None},
    },
    "a next tick that exists is not added twice": {
        "before": [upsert(EVERY), *activate(BEAT), ("HSET", NEXT_BEAT, "name", "x")],
        "call": follow("beat", NOW),
        "reply": None,
        "events": [f"duplicated jobId={NEXT_BEAT}"],
    },
    "an old repeatable job has no successor": {
        "before": [("ZADD", "repeat", str(NOW), "beat"), ("HSET", "repeat:beat", "name", "beat")],
        "call": follow("beat", NOW, is_old_kind=True),
        "reply": None,
        "events": [],
    },
    "an id that only looks old has one": {
        "before": [upsert(EVERY), *activate(BEAT)],
        "call": follow("beat", NOW, is_old_kind=True),
        "reply": NOW + HOUR,
    },
    "the next tick keeps its deduplication id": {
        "before": [upsert(EVERY), *activate(BEAT)],
        "call": follow("beat", NOW, dedup_id="d"),
        "after": {
            "active": [BEAT],
            "delayed": {NEXT_BEAT: delayed_until(NOW + HOUR)},
            NEXT_BEAT: {"deid": "d"},
        },
    },
    "a removed schedule takes its delayed tick along": {
        "before": [upsert(DAILY)],
        "call": lambda keys: remove_schedule(keys, "daily"),
        "reply": True,
        "after": {"repeat": None, "repeat:daily": None, TICK: None},
        "events": [f"removed jobId={TICK} prev=delayed"],
    },
    "a removed schedule leaves a tick that is ready": {
        "before": [upsert(EVERY)],
        "call": lambda keys: remove_schedule(keys, "beat", owner="trading"),
        "reply": True,
        "after": {"wait": [BEAT], "repeat": None},
        "events": [],
    },
    "another project's schedule is not removed": {
        "before": [upsert(EVERY)],
        "call": lambda keys: remove_schedule(keys, "beat", owner="other"),
        "reply": False,
        "after": {"wait": [BEAT], "repeat": {"beat": NOW}},
    },
    "removing what is not there does nothing": {
        "call": lambda keys: remove_schedule(keys, "nope"),
        "reply": False,
        "after": {},
    },
}


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
async def test_schedules(check, row) -> None:
    await check(**row)


async def test_another_projects_schedule_is_not_changed(check) -> None:
    with pytest.raises(WrongState) as raised:
        await check(before=[upsert(EVERY)], call=upsert(replace(EVERY, owner="other")))

    assert str(raised.value) == (
        "schedule 'beat' of queue 'orders' belongs to project 'trading'; rename one of the two"
    )


@pytest.mark.parametrize("schedule", [DAILY, EVERY])
async def test_slots_that_are_all_taken_are_an_error(check, schedule) -> None:
    taken = [("HSET", f"repeat:beat:{NOW + n * HOUR}", "name", "x") for n in range(40)]
    taken.append(("HSET", TICK, "name", "x"))

    with pytest.raises(WrongState) as raised:
        await check(before=taken, call=upsert(schedule))

    assert str(raised.value) == (
        f"the ids of the next ticks of schedule '{schedule.id}' of queue 'orders' are taken; "
        "remove those jobs"
    )


async def test_a_schedule_whose_next_id_is_taken_keeps_its_tick(check, redis, keys) -> None:
    before = [upsert(DAILY, next_ms=NOW + 9_000), ("HSET", TICK, "name", "promoted by hand")]

    with pytest.raises(WrongState):
        await check(before=before, call=upsert(replace(DAILY, data=b"[2]")))

    assert await redis.zrange(keys.delayed, 0, -1) == [f"repeat:daily:{NOW + 9_000}".encode()]


async def test_a_tick_carries_the_options_node_reads(sender, redis, keys) -> None:
    schedule = replace(DAILY, id='da"ily', opts={"attempts": 3, "keepLogs": 5}, limit=9)
    await sender.send(upsert_schedule(keys, schedule, now_ms=NOW, next_ms=NOW + 5_000))

    opts = json.loads(await redis.hget(keys.job(f'repeat:da"ily:{NOW + 5_000}'), "opts"))

    assert opts == {
        "attempts": 3,
        "kl": 5,
        "jobId": f'repeat:da"ily:{NOW + 5_000}',
        "delay": 5_000,
        "timestamp": NOW,
        "prevMillis": NOW + 5_000,
        "repeatJobKey": 'da"ily',
        "repeat": {"pattern": "0 9 * * *", "tz": "UTC", "limit": 9, "count": 1},
    }


async def test_an_interval_carries_no_prev_millis(sender, redis, keys) -> None:
    await sender.send(upsert_schedule(keys, EVERY, now_ms=NOW, next_ms=None))

    opts = json.loads(await redis.hget(keys.job(BEAT), "opts"))

    assert "prevMillis" not in opts
    assert opts["repeat"] == {"every": HOUR, "count": 1}


async def test_schedules_are_listed_with_their_ticks(sender, redis, keys) -> None:
    await sender.send(upsert(DAILY)(keys))
    await sender.send(upsert(EVERY)(keys))
    await redis.lrem(keys.wait, 0, BEAT)
    await redis.lpush(keys.active, BEAT)
    await sender.send(follow("beat", NOW, now_ms=NOW + 3)(keys))
    await redis.hset(keys.scheduler("foreign"), mapping={"name": "n", "every": "5", "ic": "7"})
    await redis.zadd(keys.repeat, {"foreign": NOW - 1})

    foreign, daily, beat = await sender.send(list_schedules(keys))

    assert daily == ScheduleRecord(
        id="daily",
        queue="orders",
        name="report",
        cron="0 9 * * *",
        timezone="UTC",
        every_ms=None,
        start_ms=None,
        end_ms=None,
        offset_ms=None,
        limit=None,
        template=ScheduleTemplate(b'{"x":1}', b'{"attempts":3}'),
        added_ticks=1,
        owner="trading",
        next_ms=NOW + 5_000,
        tick_state=JobState.DELAYED,
        tick_added_ms=NOW,
    )
    assert (daily.is_pending, daily.fired_ticks, daily.last_ms) == (True, 0, None)
    assert (beat.next_ms, beat.fired_ticks, beat.last_ms) == (NOW + HOUR, 1, NOW + 3)
    assert (foreign.owner, foreign.tick_state, foreign.fired_ticks) == (None, JobState.UNKNOWN, 7)


def test_an_interval_takes_no_tick_of_cron(keys) -> None:
    with pytest.raises(ValueError) as raised:
        upsert_schedule(keys, EVERY, now_ms=NOW, next_ms=NOW)

    assert str(raised.value) == "expected next_ms only for a cron expression"


async def test_a_declared_schedule_is_not_changed_by_an_application(sender, keys) -> None:
    await sender.send(upsert(DAILY)(keys))

    with pytest.raises(WrongState) as raised:
        await sender.send(upsert(replace(DAILY, owner=None, data=b"[]"))(keys))

    assert str(raised.value) == (
        "schedule 'daily' of queue 'orders' belongs to project 'trading'; rename one of the two"
    )


async def test_a_schedule_is_read_by_its_id(check, sender, keys) -> None:
    await check(
        before=[upsert(DAILY), upsert(OFFSET)], call=lambda keys: count_schedules(keys), reply=2
    )

    beat = await sender.send(read_schedule(keys, "beat"))

    assert beat is not None
    assert (beat.every_ms, beat.offset_ms, beat.next_ms) == (HOUR, 60_000, SLOT)
    assert (beat.template.data, beat.template.opts) == ({}, {})
    assert await sender.send(read_schedule(keys, "none")) is None


async def test_schedules_are_listed_page_by_page(sender, keys) -> None:
    for n in range(5):
        await sender.send(upsert(replace(DAILY, id=f"s{n}"), next_ms=NOW + n)(keys))

    page = await sender.send(list_schedules(keys, first=1, count=2))

    assert [record.id for record in page] == ["s1", "s2"]
    assert await sender.send(list_schedules(keys, count=0)) == []


@pytest.mark.parametrize(
    ("schedule_id", "problem"),
    [
        ("a:b", "holds ':', which parts the keys in Redis; use '-' or '.'"),
        ("", "is empty"),
        ("a\n", "holds a control character"),
    ],
)
def test_an_id_that_the_layout_cannot_hold_is_refused(keys, schedule_id, problem) -> None:
    with pytest.raises(InvalidJobId) as raised:
        upsert_schedule(keys, replace(EVERY, id=schedule_id), now_ms=NOW, next_ms=None)

    assert str(raised.value) == f"schedule id {schedule_id!r} {problem}"


def test_a_schedule_ticks_by_cron_or_by_an_interval(keys) -> None:
    with pytest.raises(ValueError) as raised:
        upsert_schedule(keys, replace(EVERY, cron="* * * * *"), now_ms=NOW, next_ms=NOW)

    assert str(raised.value) == "expected a cron expression or an interval, and only one of them"
