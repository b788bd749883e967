"""Job schedulers with every option, made by either side and worked by the other."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

START, END = 2_000_000_000_000, 2_000_086_400_000

#: What Toril is asked, what Node is asked for the same.
OPTIONS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "every": ({"every": "1h", "limit": 5}, {"every": 3_600_000, "limit": 5}),
    "every with an offset": (
        {"every": "1d", "offset": "7m"},
        {"every": 86_400_000, "offset": 420_000},
    ),
    "every from start to end": (
        {"every": "1h", "start": "2033-05-18T03:33:20Z", "end": "2033-05-19T03:33:20Z"},
        {"every": 3_600_000, "startDate": START, "endDate": END},
    ),
    "pattern in a zone": (
        {"cron": "0 9 1 1 *", "timezone": "Europe/Zurich"},
        {"pattern": "0 9 1 1 *", "tz": "Europe/Zurich"},
    ),
    "pattern from start to end": (
        {"cron": "0 */5 * * * *", "start": "2033-05-18T03:33:20Z", "limit": 9,
         "end": "2033-05-19T03:33:20Z"},
        {"pattern": "0 */5 * * * *", "tz": "UTC", "startDate": START, "limit": 9, "endDate": END},
    ),
}  # fmt: skip

NODE_UPSERTS = """
await queue('orders').upsertJobScheduler('s', args.repeat,
    {name: 'echo', data: {n: 1}, opts: {attempts: 3}});
"""

#: Theirs to say, or the moment's.
IGNORED = {"timestamp", "delay"}


def without_moment(raw: dict[bytes, bytes]) -> dict[str, Any]:
    """A record's or a tick's fields; options without what only one side writes."""
    fields = {name.decode(): value.decode() for name, value in raw.items()}
    fields = {name: value for name, value in fields.items() if name not in {*IGNORED, "t:p"}}
    if "pattern" in fields:
        fields.pop("offset", None)  # Node writes 0, which says nothing there
    opts = json.loads(fields.pop("opts", "{}"))
    repeat = {k: v for k, v in opts.get("repeat", {}).items() if k != "offset" or v}
    return {**fields, "repeat": repeat, "jobId": opts.get("jobId"), "key": opts.get("repeatJobKey")}


async def test_schedulers_are_stored_as_node_stores_them(node, client, redis, keys) -> None:
    for kind, (ours, theirs) in OPTIONS.items():
        # Without these its first tick is the moment it was made.
        is_now = "every" in theirs and not {"offset", "startDate"} & theirs.keys()
        await client.schedules("orders").upsert("s", "echo", {"n": 1}, **ours)
        stored = await read_scheduler(redis, keys, is_now=is_now)
        await redis.delete(*await redis.keys(f"{keys.base}*"))

        await node.run(NODE_UPSERTS, repeat=theirs)

        assert stored == await read_scheduler(redis, keys, is_now=is_now), kind
        await redis.delete(*await redis.keys(f"{keys.base}*"))


async def read_scheduler(redis: Any, keys: Any, *, is_now: bool) -> list[Any]:
    [(_, next_ms)] = await redis.zrange(keys.repeat, 0, -1, withscores=True)
    record = without_moment(await redis.hgetall(keys.scheduler("s")))
    tick = without_moment(await redis.hgetall(keys.job(f"repeat:s:{int(next_ms)}")))
    if is_now:
        record.pop("offset")
        return [record, {**tick, "jobId": None}]
    return [int(next_ms), record, tick]


async def test_what_node_made_is_read_in_full(node, client) -> None:
    for kind, (_, theirs) in OPTIONS.items():
        await node.run(NODE_UPSERTS, repeat=theirs)

        record = await client.schedules("orders").get("s")

        assert record is not None
        assert (record.id, record.name, record.owner) == ("s", "echo", None)
        assert (record.template.data, record.template.opts) == ({"n": 1}, {"attempts": 3})
        read = {
            "every": record.every_ms,
            "pattern": record.cron,
            "tz": record.timezone,
            "startDate": record.start_ms,
            "endDate": record.end_ms,
            "limit": record.limit,
            "offset": record.offset_ms if "offset" in theirs else None,
        }
        assert {name: of for name, of in read.items() if of is not None} == theirs, kind
        assert await client.schedules("orders").remove("s")


async def test_what_we_made_is_read_by_node_in_full(node, client) -> None:
    for kind, (ours, theirs) in OPTIONS.items():
        await client.schedules("orders").upsert("s", "echo", {"n": 1}, **ours)

        seen, count = await node.run(
            """
            const q = queue('orders');
            const seen = [await q.getJobScheduler('s'), await q.getJobSchedulersCount()];
            await q.removeJobScheduler('s');
            return seen;
            """
        )

        assert count == 1
        assert seen | theirs == seen, kind
        assert (seen["key"], seen["name"], seen["iterationCount"]) == ("s", "echo", 1)
        assert seen["template"]["data"] == {"n": 1}


async def test_either_side_removes_what_the_other_made(node, client, redis, keys) -> None:
    schedules = client.schedules("orders")
    await node.run(NODE_UPSERTS, repeat={"pattern": "0 0 1 1 *"})
    assert await schedules.remove("s")
    assert await redis.exists(keys.repeat, keys.delayed, keys.scheduler("s")) == 0

    await schedules.upsert("s", "echo", cron="0 0 1 1 *")
    assert await node.run("return await queue('orders').removeJobScheduler('s')") is True
    assert await redis.exists(keys.repeat, keys.delayed, keys.scheduler("s")) == 0


async def test_we_stop_at_nodes_limit_and_at_its_end(node, client, toril_run) -> None:
    async with toril_run():
        ran = await node.run(
            """
            await queue('orders').upsertJobScheduler('three', {every: 40, limit: 3},
                {name: 'echo', data: {}});
            const end = Date.now() + 2200;
            await queue('orders').upsertJobScheduler('short',
                {pattern: '* * * * * *', endDate: end}, {name: 'echo', data: {}});
            await new Promise((done) => setTimeout(done, end - Date.now() + 1100));
            const jobs = await queue('orders').getCompleted(0, -1);
            return jobs.map((job) => [job.repeatJobKey, Number(job.id.split(':')[2]) <= end]);
            """
        )

    assert [key for key, _ in ran].count("three") == 3
    in_time = [is_in_time for key, is_in_time in ran if key == "short"]
    assert all(in_time)
    assert 1 <= len(in_time) <= 3


async def test_node_stops_at_our_limit(node, client) -> None:
    await client.schedules("orders").upsert("three", "echo", {"n": 1}, every="40ms", limit=3)

    ran = await node.run(
        """
        const ran = [];
        worker('orders', async (job) => { ran.push(job.data); });
        // In one call: between two, a job may go from a state not yet counted to one that was.
        const countLeft = async () => Object.values(
            await queue('orders').getJobCounts('delayed', 'active', 'waiting'))
            .reduce((sum, count) => sum + count);
        while (await countLeft() > 0)
            await new Promise((done) => setTimeout(done, 10));
        return ran;
        """
    )

    assert ran == [{"n": 1}] * 3
    record = await client.schedules("orders").get("three")
    assert record is not None
    assert (record.fired_ticks, record.is_pending) == (3, False)


async def test_a_schedule_that_we_change_goes_on_at_nodes_worker(node, client) -> None:
    schedules = client.schedules("orders")
    await schedules.upsert("beat", "echo", {"n": 1}, every="1h", offset="1m")
    made = await schedules.upsert("beat", "echo", {"n": 2}, every="30ms")

    data = await node.run(
        """
        const seen = [];
        await new Promise((resolve) => worker('orders', async (job) => {
            if (seen.push(job.data.n) === 3) resolve();
        }));
        await queue('orders').removeJobScheduler('beat');
        return seen.slice(0, 3);
        """
    )

    assert made.action == "changed"
    assert data == [2, 2, 2]
    assert made.next_ms is not None
    assert made.next_ms <= datetime.now(UTC).timestamp() * 1000
