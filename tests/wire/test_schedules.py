"""Schedules as Node sees them, and cron's ticks against Node's own engine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toril.declarations.cron import next_tick_ms
from toril.runtime.calls.claim import Owner
from toril.runtime.calls.schedules import NewSchedule, list_schedules, upsert_schedule
from toril.runtime.calls.settle import settle_and_claim
from toril.runtime.schedules import follow_tick

HOUR = 3_600_000

PATTERNS = [
    "30 2 * * *",
    "30 1 * * *",
    "0 3 * * *",
    "0,30 2 * * *",
    "*/15 2 * * *",
    "*/30 * * * *",
    "*/7 * * * *",
    "0 */2 * * *",
    "15 1-3 * * *",
    "0 0 * * *",
    "30 0 * * *",
    "*/20 0-3 * * *",
    "0 30 23,0 * * *",
    "0 0 * * 0",
    "0 0 */2 * 1",
    "0 0 1,15 * 5",
    "0 0 L * *",
    "0 0 * * 5L",
    "0 0 * * 1#2",
    "0 * 1 * *",
    "*/47 * * * * *",
    "23 0-20/2 * * *",
    "0 22 * * MON-FRI",
    "0 12 ? * 2",
    "0 0 29 2 *",
    "@daily",
    "@weekdays",
]

#: Where cron-parser 5.10 answers sensibly; it loses its way in zones whose clocks change by part of
#: an hour (Lord Howe, Chatham), and loses a day where they skip the hour before midnight (Nuuk).
ZONES = [
    "UTC",
    "Europe/Zurich",
    "Europe/London",
    "America/New_York",
    "America/Havana",
    "America/Santiago",
    "Africa/Cairo",
    "Asia/Beirut",
    "Atlantic/Azores",
    "Australia/Sydney",
]

COUNT = 12

TICKS = """
const {CronExpressionParser} = await import('cron-parser');
return args.rows.map(([pattern, tz, after]) => {
    const ticks = CronExpressionParser.parse(pattern, {tz, currentDate: new Date(after)});
    return Array.from({length: args.count}, () => ticks.next().getTime());
});
"""


def list_starts(timezone: str) -> list[int]:
    """Instants shortly before each change of the clocks in ten years, and one far from any."""
    zone = ZoneInfo(timezone)
    moment, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC)
    starts = [int(datetime(2026, 5, 5, tzinfo=UTC).timestamp() * 1000) + 1]
    offset = moment.astimezone(zone).utcoffset()
    while moment < end:
        moment += timedelta(hours=1)
        if moment.astimezone(zone).utcoffset() != offset:
            offset = moment.astimezone(zone).utcoffset()
            starts.append(int(moment.timestamp() * 1000) - 26 * HOUR)
    return starts


def list_ticks(pattern: str, timezone: str, after_ms: int) -> list[int]:
    ticks = []
    for _ in range(COUNT):
        tick = next_tick_ms(pattern, after_ms, timezone)
        assert tick is not None
        ticks.append(tick)
        after_ms = tick
    return ticks


async def find_different(node, rows: list[list[Any]]) -> list[list[Any]]:
    expected = await node.run(TICKS, rows=rows, count=COUNT, within_s=60)
    return [row for row, ticks in zip(rows, expected, strict=True) if list_ticks(*row) != ticks]


@pytest.mark.parametrize("zone", ZONES)
async def test_ticks_over_changes_of_the_clocks_are_cron_parsers(node, zone) -> None:
    rows = [[pattern, zone, start] for start in list_starts(zone) for pattern in PATTERNS]

    assert await find_different(node, rows) == []


def numbers(first: int, last: int) -> st.SearchStrategy[str]:
    """A field: all, a number, a range, a list, a step of all or of a range."""
    number = st.integers(first, last)
    pair = st.tuples(number, number).map(sorted)
    step = st.integers(1, last - first)
    return st.one_of(
        st.just("*"),
        number.map(str),
        pair.map(lambda ends: f"{ends[0]}-{ends[1]}"),
        st.lists(number, min_size=2, max_size=4, unique=True).map(
            lambda listed: ",".join(map(str, listed))
        ),
        step.map(lambda each: f"*/{each}"),
        st.tuples(pair, step).map(lambda both: f"{both[0][0]}-{both[0][1]}/{both[1]}"),
    )


#: It loses the first of two midnights when it comes from another month.
RANDOM_ZONES = [zone for zone in ZONES if zone != "America/Havana"]
#: Days that every month has, or a schedule would have ticks years apart.
DAYS = numbers(1, 28) | st.just("L")
WEEKDAYS = numbers(0, 6) | st.sampled_from(["1#2", "5L", "MON-FRI", "?"])
CRONS = st.tuples(numbers(0, 59), numbers(0, 23), DAYS, numbers(1, 12), WEEKDAYS)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    rows=st.lists(
        st.tuples(
            CRONS.map(" ".join),
            st.sampled_from(RANDOM_ZONES),
            st.integers(1_767_225_600_000, 2_082_758_400_000),
        ),
        min_size=40,
        max_size=120,
    )
)
async def test_random_expressions_tick_as_in_cron_parser(node, rows) -> None:
    assert await find_different(node, [list(row) for row in rows]) == []


@pytest.fixture
def daily() -> NewSchedule:
    return NewSchedule(
        id="daily",
        name="report",
        cron="0 9 * * *",
        timezone="Europe/Zurich",
        data=b'{"x":[]}',
        opts={"attempts": 3, "removeOnComplete": {"count": 5}},
        owner="trading",
    )


async def test_node_lists_our_schedule_with_its_template(node, async_sender, keys, daily) -> None:
    next_ms = 1_795_000_000_000
    await async_sender.send(upsert_schedule(keys, daily, now_ms=next_ms - 5, next_ms=next_ms))

    [seen] = await node.run("return await queue('orders').getJobSchedulers()")
    pending = await node.run("return (await queue('orders').getDelayed())[0].toJSON()")

    assert seen == {
        "key": "daily",
        "name": "report",
        "next": next_ms,
        "iterationCount": 1,
        "tz": "Europe/Zurich",
        "pattern": "0 9 * * *",
        "template": {
            "data": {"x": []},
            "opts": {"attempts": 3, "removeOnComplete": {"count": 5}},
        },
    }
    assert (pending["id"], pending["data"]) == (f"repeat:daily:{next_ms}", {"x": []})
    assert pending["repeatJobKey"] == "daily"
    assert pending["opts"]["repeat"] == {
        "pattern": "0 9 * * *",
        "tz": "Europe/Zurich",
        "count": 1,
    }


async def test_node_changes_our_schedule_and_we_take_it_back(
    node, async_sender, redis, keys, daily
) -> None:
    next_ms = 1_795_000_000_000
    await async_sender.send(upsert_schedule(keys, daily, now_ms=next_ms - 5, next_ms=next_ms))
    await node.run(
        "await queue('orders').upsertJobScheduler('daily', {pattern: '0 10 * * *', tz: 'UTC'},"
        " {name: 'report', data: {y: 1}})"
    )
    [changed] = await async_sender.send(list_schedules(keys))

    applied = await async_sender.send(
        upsert_schedule(keys, daily, now_ms=next_ms - 5, next_ms=next_ms)
    )

    assert (changed.cron, changed.owner) == ("0 10 * * *", None)
    assert (applied.action, applied.next_ms) == ("changed", next_ms)
    assert await redis.zcard(keys.delayed) == 1


async def test_a_tick_that_we_follow_is_one_that_node_follows_on(
    node, async_sender, redis, keys
) -> None:
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    beat = NewSchedule(id="beat", name="beat", every_ms=100, owner="trading")
    await async_sender.send(upsert_schedule(keys, beat, now_ms=now_ms, next_ms=None))
    claim = settle_and_claim(keys, owner=Owner("t", 30_000), claim=1, now_ms=now_ms)
    [job] = (await async_sender.send(claim)).jobs
    call = follow_tick(keys, job, now_ms=now_ms)
    assert call is not None
    assert await async_sender.send(call) == now_ms + 100

    ran = await node.run(
        """
        const ran = [];
        await new Promise((resolve) => worker('orders', async (job) => {
            ran.push(job.id);
            if (ran.length === 3) resolve();
        }));
        await queue('orders').removeJobScheduler('beat');
        return ran.slice(0, 3);
        """
    )

    ticks = [int(job_id.rpartition(":")[2]) for job_id in ran]
    assert ticks[0] == now_ms + 100
    assert all((tick - now_ms) % 100 == 0 for tick in ticks)
    assert len(set(ticks)) == 3
