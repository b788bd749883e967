"""`toril queue drain`, `clean`, `obliterate`: removing many jobs, after asking."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from toril.cli.connect import find_queue, open_client
from toril.cli.options import directory_option, format_option, queue_argument
from toril.cli.output import format_jobs, print_json
from toril.cli.progress import showing_progress
from toril.declarations.units import parse_duration_ms
from toril.runtime.calls.queues import Counts
from toril.runtime.removal import CLEANABLE
from toril.sync_client import SyncClient

F = TypeVar("F", bound=Callable[..., Any])

STATES = [state.value for state in CLEANABLE]


def yes_option(command: F) -> F:
    """Adds `--yes`, without which the command asks."""
    return click.option("--yes", is_flag=True, help="Do not ask.")(command)


def check_age(_ctx: click.Context, _param: click.Parameter, text: str | None) -> str | None:
    """Refuses what is no duration."""
    try:
        if text is not None:
            parse_duration_ms(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return text


@click.command("drain", short_help="Remove all jobs that wait.")
@queue_argument
@click.option("--delayed", is_flag=True, help="Remove the delayed ones, too.")
@yes_option
@directory_option
@format_option
def drain(name: str, delayed: bool, yes: bool, as_json: bool) -> None:
    """Removes all of QUEUE's jobs that wait to run.

    Active and finished jobs stay, and so do the next ticks of schedules.
    """
    with open_client() as client:
        counts = _count(client, name)
        jobs = counts.waiting + counts.prioritized + (counts.delayed if delayed else 0)
        ask(f"remove {format_jobs(jobs)} waiting in {name}?", yes=yes)
        with showing_progress(f"draining {name}", jobs) as tell:
            removed = client.queue(name).drain(delayed=delayed, on_progress=tell)
    _answer(name, removed, as_json=as_json)


@click.command("clean", short_help="Remove old jobs of one state.")
@queue_argument
@click.option(
    "--state",
    type=click.Choice(STATES),
    default="completed",
    show_default=True,
    help="The jobs of which state.",
)
@click.option(
    "--older-than",
    metavar="DURATION",
    default="0s",
    show_default=True,
    callback=check_age,
    help="Those to which nothing happened for so long.",
)
@click.option("--limit", type=click.IntRange(1), help="At most so many, the oldest first.")
@yes_option
@directory_option
@format_option
def clean(
    name: str, state: str, older_than: str, limit: int | None, yes: bool, as_json: bool
) -> None:
    """Removes QUEUE's jobs of one state that are old enough.

    Active ones go only if nobody holds their lock. The next ticks of schedules stay.
    """
    with open_client() as client:
        jobs = getattr(_count(client, name), state)
        jobs = jobs if limit is None else min(jobs, limit)
        age = "" if parse_duration_ms(older_than) == 0 else f", older than {older_than}"
        ask(f"remove up to {format_jobs(jobs, state)} of {name}{age}?", yes=yes)
        with showing_progress(f"cleaning {name}", jobs) as tell:
            removed = client.queue(name).clean(
                state, older_than=older_than, limit=limit, on_progress=tell
            )
    _answer(name, len(removed), as_json=as_json)


@click.command("obliterate", short_help="Remove a queue with everything in it.")
@queue_argument
@click.option("--force", is_flag=True, help="Even while jobs of it are active.")
@yes_option
@directory_option
@format_option
def obliterate(name: str, force: bool, yes: bool, as_json: bool) -> None:
    """Removes QUEUE from Redis with all its jobs, schedules, events and settings.

    It is paused first. If jobs are active it stays as it is, unless --force takes them too; their
    results will be refused.
    """
    with open_client() as client:
        counts = _count(client, name)
        jobs = (
            counts.waiting + counts.prioritized + counts.delayed + counts.active
            + counts.waiting_children + counts.completed + counts.failed
        )  # fmt: skip
        ask(f"remove {name} with {format_jobs(jobs)} and its schedules?", yes=yes)
        with showing_progress(f"obliterating {name}", jobs) as tell:
            removed = client.queue(name).obliterate(force=force, on_progress=tell)
    _answer(name, removed, as_json=as_json)


def _count(client: SyncClient, name: str) -> Counts:
    return client.queue(find_queue(client, name).name).counts()


def ask(question: str, *, yes: bool) -> None:
    """Asks before something is lost; ends the command unless the answer is yes."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} Nobody is there to answer; give --yes to go on")
    click.confirm(question, abort=True, err=True)


def _answer(name: str, removed: int, *, as_json: bool) -> None:
    if as_json:
        print_json({"queue": name, "removed": removed})
    else:
        click.echo(f"removed {format_jobs(removed)} of {name}")
