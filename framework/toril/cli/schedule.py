"""`toril schedule`: the schedules, and the ticks ahead of those that are declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import click

from toril.cli.connect import open_client
from toril.cli.groups import NounGroup
from toril.cli.options import directory_option, format_option
from toril.cli.output import print_json, print_table
from toril.declarations.instants import format_instant
from toril.declarations.names import find_named
from toril.declarations.pipeline import Pipeline
from toril.declarations.schedule import Schedule
from toril.declarations.ticks import Standing, find_clock_change, merge_ticks
from toril.declarations.units import format_duration
from toril.runtime.calls.schedules import ScheduleRecord, read_paused
from toril.runtime.calls.schedules import list_schedules as list_records
from toril.sync_client import SyncClient


@click.group(cls=NounGroup, short_help="List schedules and their next ticks.")
def schedule() -> None:
    """Lists schedules and their next ticks."""


@schedule.command("list", short_help="List the schedules.")
@directory_option
@format_option
def list_schedules(as_json: bool) -> None:
    """Lists the schedules: when each ticks next, when it last did, how often so far.

    A declared one starts to tick when `toril run` has put it into Redis; before that it has no
    next. Those that others made in the declared queues follow, as not declared.
    """
    with open_client() as client:
        found = read_all_records(client)
        declared = client.pipeline.schedules
        records = choose_declared(client.pipeline, found)
        paused = read_paused_names(client)
    ours = {(record.queue, record.id) for record in records.values()}
    others = [record for record in found if (record.queue, record.id) not in ours]
    shapes = [
        {**describe_schedule(one, records.get(name)), "paused": name in paused}
        for name, one in declared.items()
    ]
    shapes += [describe_record(record) for record in others]
    if as_json:
        print_json({"schedules": shapes})
        return
    rhythms = [*map(format_rhythm, declared.values()), *map(format_stored_rhythm, others)]
    rows = [
        (
            s["name"],
            rhythm,
            s["declared"],
            s["target"],
            word_next(s, declared),
            s["last"],
            s["ticks"],
        )
        for s, rhythm in zip(shapes, rhythms, strict=True)
    ]
    heads = ("schedule", "ticks by", "declared", "adds", "next", "last", "ticks")
    empty = "there is no schedule"
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
    """Shows the next ticks of SCHEDULE, or of all schedules, in the order of their time.

    Ticks of a day on which the clocks of their time zone change are marked.
    """
    with open_client() as client:
        declared = client.pipeline.schedules
        chosen = [find_named("schedule", name, declared)] if name else list(declared.values())
        paused = read_paused_names(client)
        standings = {key: find_standing(record) for key, record in read_records(client).items()}
        ticks = merge_ticks(
            [one for one in chosen if one.name not in paused],
            now_ms=client.clock.now_ms(),
            standings=standings,
            count=count,
        )
    rows = [
        (format_instant(tick), one.name, format_target(one), describe_clock_change(tick, one))
        for tick, one in ticks
    ]
    if as_json:
        names = ("at", "schedule", "target", "note")
        print_json({"ticks": [dict(zip(names, row, strict=True)) for row in rows]})
        return
    held = [one.name for one in chosen if one.name in paused]
    if not rows:
        click.echo(f"no tick is ahead{say_why(chosen[0], is_paused=bool(held)) if name else ''}")
    elif any(note for *_, note in rows):
        print_table(("at", "schedule", "adds", "note"), rows, empty="")
    else:
        print_table(("at", "schedule", "adds"), [row[:3] for row in rows], empty="")
    if not name:
        for one in held:
            click.echo(f"schedule {one!r} is paused", err=True)


@schedule.command("run", short_help="Run a schedule now.")
@click.argument("name", metavar="SCHEDULE")
@directory_option
@format_option
def run_now(name: str, as_json: bool) -> None:
    """Adds the job of a tick of SCHEDULE that is now, and prints its id; its ticks stay."""
    with open_client() as client:
        job = client.run_schedule(name)
    if as_json:
        print_json({"schedule": name, "queue": job.queue, "id": job.id})
    else:
        click.echo(job.id)


@schedule.command("pause", short_help="Pause a schedule.")
@click.argument("name", metavar="SCHEDULE")
@directory_option
@format_option
def pause(name: str, as_json: bool) -> None:
    """Has SCHEDULE tick no more until it is resumed, whatever is restarted meanwhile."""
    with open_client() as client:
        is_new = client.pause_schedule(name)
    if as_json:
        print_json({"schedule": name, "paused": True})
    else:
        click.echo(f"schedule {name!r} is paused" if is_new else f"schedule {name!r} was paused")


@schedule.command("resume", short_help="Resume a schedule.")
@click.argument("name", metavar="SCHEDULE")
@directory_option
@format_option
def resume(name: str, as_json: bool) -> None:
    """Has a paused SCHEDULE tick again; the ticks in between are left out."""
    with open_client() as client:
        next_ms = client.resume_schedule(name)
    tick = None if next_ms is None else format_instant(next_ms)
    if as_json:
        print_json({"schedule": name, "paused": False, "next": tick})
    else:
        click.echo(f"schedule {name!r} goes on; its next tick is {tick or 'none'}")


def read_records(client: SyncClient) -> Mapping[str, ScheduleRecord]:
    """Reads what Redis holds of the declared schedules, by name."""
    return choose_declared(client.pipeline, read_all_records(client))


def read_all_records(client: SyncClient) -> list[ScheduleRecord]:
    """Reads the schedules in all declared queues, whoever made them."""
    return [
        record
        for name in sorted(client.pipeline.queues)
        for record in client.send(list_records(client.keys(name)))
    ]


def read_paused_names(client: SyncClient) -> set[str]:
    """Reads which of the declared schedules are paused."""
    schedules = client.pipeline.schedules.values()
    queues = {client.pipeline.queue_of_schedule(one).name for one in schedules}
    return {name for queue in queues for name in client.send(read_paused(client.keys(queue)))}


def choose_declared(
    pipeline: Pipeline, found: Sequence[ScheduleRecord]
) -> Mapping[str, ScheduleRecord]:
    """Gives what belongs to the declared schedules, by name."""
    return {
        record.id: record
        for record in found
        if record.owner == pipeline.project
        and record.id in pipeline.schedules
        and record.queue == pipeline.queue_of_schedule(pipeline.schedules[record.id]).name
    }


def find_standing(record: ScheduleRecord) -> Standing:
    """Gives how far a schedule is."""
    return Standing(record.next_ms if record.is_pending else None, record.fired_ticks)


def say_why(declared: Schedule, *, is_paused: bool) -> str:
    """Writes why a schedule has no tick ahead, as far as that is known."""
    if is_paused:
        return f": schedule {declared.name!r} is paused"
    if not declared.enabled:
        return f": schedule {declared.name!r} has 'enabled: false'"
    if declared.at_ms is not None:
        return f": the instant of schedule {declared.name!r} has passed"
    return f": schedule {declared.name!r} is at its 'end' or 'limit'"


def describe_clock_change(tick_ms: int, declared: Schedule) -> str | None:
    """Writes that the clocks change on the day of a tick by cron; None if they do not."""
    if declared.cron is None:
        return None
    change_ms = find_clock_change(tick_ms, declared.timezone) // timedelta(milliseconds=1)
    if not change_ms:
        return None
    way = "forward" if change_ms > 0 else "back"
    return f"the clocks go {way} by {format_duration(abs(change_ms))}"


def describe_schedule(declared: Schedule, record: ScheduleRecord | None) -> dict[str, Any]:
    """Gives a schedule's facts by the names that others build on."""
    return _describe(declared.name, format_target(declared), record, is_declared=True)


def describe_record(record: ScheduleRecord) -> dict[str, Any]:
    """Gives the facts of a schedule that is not declared; its target is the jobs' name."""
    return _describe(record.id, record.name, record, is_declared=False)


def _describe(
    name: str, target: str, record: ScheduleRecord | None, *, is_declared: bool
) -> dict[str, Any]:
    next_ms = record.next_ms if record is not None and record.is_pending else None
    last_ms = record.last_ms if record is not None else None
    return {
        "name": name,
        "declared": is_declared,
        "target": target,
        "next": None if next_ms is None else format_instant(next_ms),
        "last": None if last_ms is None else format_instant(last_ms),
        "paused": False,
        "ticks": 0 if record is None else record.fired_ticks,
    }


def word_next(shape: Mapping[str, Any], declared: Mapping[str, Schedule]) -> str | None:
    """Gives when a schedule ticks next, or why it does not."""
    if shape["paused"]:
        return "paused"
    is_off = shape["declared"] and not declared[shape["name"]].enabled
    return "off" if is_off else shape["next"]


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


def format_stored_rhythm(record: ScheduleRecord) -> str:
    """Writes when a schedule ticks that is only stored."""
    if record.every_ms is not None:
        return f"every {format_duration(record.every_ms)}"
    return " ".join(filter(None, (record.cron, record.timezone))) or "-"
