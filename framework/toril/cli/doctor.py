"""`toril doctor`: where the jobs are, what endangers them there, what is wrong with the keys."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import asdict
from typing import Any

import click

from toril.cli.options import directory_option, find_directory, format_option
from toril.cli.output import ANSWER_IS_NO, make_printable, print_json
from toril.client import Client
from toril.runtime.calls.server import (
    ServerFacts,
    find_faults,
    gather_facts,
    read_server,
    read_settings,
)
from toril.runtime.connection import hide_password, measure_offset_ms
from toril.runtime.fsck import check_queue
from toril.runtime.old_repeats import find_old_repeats
from toril.runtime.steps import walk

#: Clocks further apart than this make delays and schedules hard to follow.
SKEW_MS = 1_000


@click.command(short_help="Find what is wrong with the Redis in use.")
@click.option("--fsck", is_flag=True, help="Check the keys of every queue against each other.")
@directory_option
@format_option
def doctor(fsck: bool, as_json: bool) -> None:
    """Connects to the pipeline's Redis, and finds what endangers jobs there.

    Nothing is changed. Exits with 1 if anything was found, with 3 if there is no Redis.
    """
    report = asyncio.run(examine(fsck=fsck))
    if as_json:
        print_json(report)
    else:
        _show(report, fsck=fsck)
    if report["findings"]:
        raise click.exceptions.Exit(ANSWER_IS_NO)


async def examine(*, fsck: bool) -> dict[str, Any]:
    """Gathers facts and findings, in the shape that is printed as JSON."""
    async with Client.from_config(find_directory()) as client:
        sender = client.open_sender()
        info = await sender.send(read_server())
        answers = await sender.send_many(read_settings(), return_exceptions=True)
        offset_ms = await measure_offset_ms(sender)
        facts = gather_facts(info, answers)
        findings = judge(facts, offset_ms)
        for name in client.pipeline.queues:
            findings += await find_legacy(client, name)
        if fsck:
            findings += await check_queues(client)
    url = hide_password(client.pipeline.redis.url)
    return {
        "redis": {"url": url, **asdict(facts), "clock_offset_ms": offset_ms},
        "findings": findings,
    }


def judge(facts: ServerFacts, offset_ms: int) -> list[dict[str, Any]]:
    """Gives what is wrong with the server, in the shape of a queue's findings."""
    faults = find_faults(facts)
    if abs(offset_ms) > SKEW_MS:
        faults.append(f"the server's clock is {offset_ms} ms ahead of this host's; set both right")
    return [
        {"queue": None, "code": "server", "subject": "redis", "message": fault} for fault in faults
    ]


async def find_legacy(client: Client, queue: str) -> list[dict[str, Any]]:
    """Finds what BullMQ v5 left in a queue that neither v6 nor Toril keeps up."""
    names = await walk(find_old_repeats(client.keys(queue)), client.send)
    return [
        {
            "queue": queue,
            "code": "old-repeat",
            "subject": name,
            "message": f"repeatable job {name!r} is of the kind BullMQ had before job schedulers; "
            "declare a schedule in its place, and remove it with BullMQ v5 (removeRepeatableByKey)",
        }
        for name in names
    ]


async def check_queues(client: Client) -> list[dict[str, Any]]:
    """Checks every declared queue, showing on a terminal how far it is."""
    names = list(client.pipeline.queues)
    if not sys.stderr.isatty():
        return [one for name in names for one in await _check(client, name)]
    with click.progressbar(names, label="checking queues", file=sys.stderr) as queues:
        return [one for name in queues for one in await _check(client, name)]


async def _check(client: Client, queue: str) -> list[dict[str, Any]]:
    found = await check_queue(client.open_sender(), client.keys(queue), clock=client.clock)
    return [asdict(one) for one in found]


def _show(report: dict[str, Any], *, fsck: bool) -> None:
    redis = report["redis"]
    fsync = f", forced to disk: {redis['fsync']}" if redis["fsync"] else ""
    click.echo(f"{redis['software']} {redis['version']} at {redis['url']}")
    click.echo(f"on disk: {redis['persistence']}{fsync}")
    for one in report["findings"]:
        where = f"queue {one['queue']}: " if one["queue"] else ""
        code = f" ({one['code']})" if one["queue"] else ""
        click.echo(make_printable(f"found: {where}{one['message']}{code}"))
    if not report["findings"]:
        click.echo(
            "nothing wrong was found" if fsck else "nothing wrong was found; --fsck looks deeper"
        )
