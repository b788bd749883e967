"""`toril queue`: the declared queues; pausing, resuming, limiting and emptying one."""

from __future__ import annotations

import click

from toril.cli.connect import find_queue, open_client
from toril.cli.emptying import clean, drain, obliterate
from toril.cli.groups import NounGroup
from toril.cli.limit import limit
from toril.cli.options import directory_option, format_option, queue_argument
from toril.cli.output import print_json, print_table
from toril.cli.status import read_status
from toril.declarations.units import format_duration
from toril.runtime.calls.queues import pause as pause_queue
from toril.runtime.calls.queues import resume as resume_queue


@click.group(cls=NounGroup, short_help="List, pause, limit and empty queues.")
def queue() -> None:
    """Lists, pauses, resumes, limits and empties queues."""


for command in (limit, drain, clean, obliterate):
    queue.add_command(command)


@queue.command("list", short_help="List the declared queues.")
@directory_option
@format_option
def list_queues(as_json: bool) -> None:
    """Lists the declared queues, their settings and whether they are paused."""
    with open_client() as client:
        counts = read_status(client)
        declared = client.pipeline.queues.values()
    if as_json:
        settings = [
            {
                "name": one.name,
                "concurrency": one.concurrency,
                "served_by": one.served_by,
                "lock": format_duration(one.lock_ms),
                "max_payload": one.max_payload,
                **counts[one.name],
            }
            for one in declared
        ]
        print_json({"queues": settings})
        return
    rows = [
        (
            one.name,
            one.concurrency,
            one.served_by,
            format_duration(one.lock_ms),
            counts[one.name]["workers"],
            counts[one.name]["paused"],
        )
        for one in declared
    ]
    heads = ("queue", "concurrency", "served by", "lock", "workers", "paused")
    print_table(heads, rows, empty="no queue is declared")


@queue.command("pause", short_help="Stop the claiming of a queue's jobs.")
@queue_argument
@directory_option
@format_option
def pause(name: str, as_json: bool) -> None:
    """Stops the claiming of QUEUE's jobs by any worker, until it is resumed.

    Jobs that run go on; jobs can still be added.
    """
    _set_paused(name, True, as_json=as_json)


@queue.command("resume", short_help="Let a paused queue's jobs be claimed again.")
@queue_argument
@directory_option
@format_option
def resume(name: str, as_json: bool) -> None:
    """Lets QUEUE's jobs be claimed again."""
    _set_paused(name, False, as_json=as_json)


def _set_paused(name: str, paused: bool, *, as_json: bool) -> None:
    with open_client() as client:
        find_queue(client, name)
        keys = client.keys(name)
        changed = client.send(pause_queue(keys) if paused else resume_queue(keys))
    if as_json:
        print_json({"queue": name, "paused": paused, "changed": changed})
        return
    if paused:
        click.echo(f"paused {name}" if changed else f"{name} was paused already")
    else:
        click.echo(f"resumed {name}" if changed else f"{name} was not paused")
