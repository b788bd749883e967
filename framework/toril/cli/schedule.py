"""`toril schedule`: the declared schedules, and the ticks ahead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from toril.cli.connect import open_client
from toril.cli.groups import NounGroup
from toril.cli.options import directory_option, format_option
from toril.cli.output import print_json, print_table
from toril.declarations.instants import format_instant
from toril.declarations.names import find_named
from toril.declarations.schedule import Schedule
from toril.declarations.ticks import merge_ticks
from toril.declarations.units import format_duration
from toril.runtime.calls.schedules import ScheduleRecord
from toril.runtime.calls.schedules import list_schedules as list_records
from toril.sync_client import SyncClient


@click.group(cls=NounGroup, short_help="List schedules and their next ticks.")
def schedule() -> None:
    """Lists schedules and their next ticks."""


@schedule.command("list", short_help="List the declared schedules.")
@directory_option
@format_option
def list_schedules(as_json: bool) -> None:
    """Lists the declared schedules: when each ticks next, when it last did, how often so far.

    A schedule starts to tick when `toril run` has put it into Redis; before that it has no next.
    """
    with open_client() as client:
        records = read_records(client)
        declared = client.pipeline.schedules
    shapes = [describe_schedule(one, records.get(name)) for name, one in declared.items()]
    if as_json:
        print_json({"schedules": shapes})
        return
    rows = [
        (
            s["name"],
            format_rhythm(declared[s["name"]]),
            s["target"],
            s["next"],
            s["last"],
            s["ticks"],
        )
        for s in shapes
    ]
    heads = ("schedule", "ticks by", "adds", "next", "last", "ticks")
    empty = "no schedule is declared"
    print_table(heads, rows, empty=empty, expendable=("ticks", "last", "adds"))


@schedule.command("next", short_help="Show the next ticks.")
@click.argument("name", metavar="[SCHEDULE]", required=False)
@click.option(
    "-n",
    "count",
    metavar="N",
    type=click.IntRange(1, 1000),
    default=10,
    show_default=True,
    help="How many.",
)
@directory_option
@format_option
def show_next(name: str | None, count: int, as_json: bool) -> None:
    """Shows the next ticks of SCHEDULE, or of all schedules, in the order of their time."""
    with open_client() as client:
        declared = client.pipeline.schedules
        chosen = [find_named("schedule", name, declared)] if name else list(declared.values())
        records = read_records(client)
        pending = {key: record.next_ms for key, record in records.items() if record.is_pending}
        ticks = merge_ticks(chosen, now_ms=client.clock.now_ms(), pending=pending, count=count)
    rows = [(format_instant(tick), one.name, format_target(one)) for tick, one in ticks]
    if as_json:
        names = ("at", "schedule", "target")
        print_json({"ticks": [dict(zip(names, row, strict=True)) for row in rows]})
    else:
        print_table(("at", "schedule", "adds"), rows, empty="no tick is ahead")


def read_records(client: SyncClient) -> Mapping[str, ScheduleRecord]:
    """Reads what Redis holds of the declared schedules, by name."""
    pipeline = client.pipeline
    queues = {pipeline.queue_of_schedule(one).name for one in pipeline.schedules.values()}
    found = [
        record for name in sorted(queues) for record in client.send(list_records(client.keys(name)))
    ]
    return {
        record.id: record
        for record in found
        if record.owner == pipeline.project and record.id in pipeline.schedules
    }


def describe_schedule(declared: Schedule, record: ScheduleRecord | None) -> dict[str, Any]:
    """Gives a schedule's facts by the names that others build on."""
    next_ms = record.next_ms if record is not None and record.is_pending else None
    last_ms = record.last_ms if record is not None else None
    return {
        "name": declared.name,
        "target": format_target(declared),
        "next": None if next_ms is None else format_instant(next_ms),
        "last": None if last_ms is None else format_instant(last_ms),
        "paused": False,
        "ticks": 0 if record is None else record.fired_ticks,
    }


def format_target(declared: Schedule) -> str:
    """Writes what a tick adds: a job's name, or `flow` and the flow's."""
    return declared.job or f"flow {declared.flow}"


def format_rhythm(declared: Schedule) -> str:
    """Writes when a schedule ticks, as the YAML says it."""
    if declared.every_ms is not None:
        return f"every {format_duration(declared.every_ms)}"
    if declared.at_ms is not None:
        return f"at {format_instant(declared.at_ms)}"
    return f"{declared.cron} {declared.timezone}"
