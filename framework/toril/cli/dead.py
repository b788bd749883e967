"""`toril dead`: the dead letters that failed jobs left: looked at, sent back, removed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TypedDict, TypeVar, Unpack

import click

from toril.cli.connect import find_queue, open_client
from toril.cli.emptying import ask, check_age, yes_option
from toril.cli.groups import NounGroup
from toril.cli.options import directory_option, format_option
from toril.cli.output import cut_text, make_printable, print_json, print_table
from toril.cli.progress import showing_progress
from toril.errors import UnknownName
from toril.handles.dead_letters import SyncDeadLetters
from toril.runtime.calls.dead_letters import DeadLetter
from toril.runtime.kept_letters import MovedLetters
from toril.sync_client import SyncClient

F = TypeVar("F", bound=Callable[..., Any])


class Choice(TypedDict):
    """The options that say which letters are meant."""

    job: str | None
    error: str | None
    from_queue: str | None
    older_than: str | None
    newer_than: str | None


@click.group(cls=NounGroup, short_help="Show dead letters, send them back, remove them.")
def dead() -> None:
    """Shows the dead letters that failed jobs left, sends them back, removes them.

    Where QUEUE may be left out it is all queues that dead letters go to.
    """


def choice_options(command: F) -> F:
    """Adds the options of `Choice`."""
    for option in (
        click.option(
            "--newer-than", metavar="DURATION", callback=check_age, help="Failed within so long."
        ),
        click.option(
            "--older-than", metavar="DURATION", callback=check_age, help="Failed so long ago."
        ),
        click.option("--from", "from_queue", metavar="QUEUE", help="Of jobs of this queue."),
        click.option(
            "--error", metavar="ERROR", help="With this type or message of the error, or glob."
        ),
        click.option("--job", metavar="JOB", help="Of jobs of this type, or glob."),
    ):
        command = option(command)
    return command


def letters_argument(command: F) -> F:
    """Adds the argument `[QUEUE] [ID]...`."""
    return click.argument("words", metavar="[QUEUE] [ID]...", nargs=-1)(command)


@dead.command("list", short_help="List dead letters.")
@click.argument("queue", metavar="[QUEUE]", required=False)
@choice_options
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="At most so many.",
)
@directory_option
@format_option
def list_letters(queue: str | None, limit: int, as_json: bool, **choice: Unpack[Choice]) -> None:
    """Lists dead letters, the newest first, whether they have been handled or not."""
    with open_client() as client:
        letters = choose(client, queue, choice).list(limit=limit)
    if as_json:
        print_json({"dead_letters": [describe_letter(letter) for letter in letters]})
        return
    rows = [
        (one.id, one.state.value, one.name, format_error(one), one.attempts, one.failed_at)
        for one in letters
    ]
    heads = ("id", "state", "job", "error", "attempts", "failed")
    print_table(heads, rows, empty="there is no dead letter", expendable=("attempts", "state"))


@dead.command("show", short_help="Show one dead letter.")
@click.argument("place", metavar="[QUEUE] ID", nargs=-1, required=True)
@directory_option
@format_option
def show(place: tuple[str, ...], as_json: bool) -> None:
    """Shows a dead letter: which job failed, what it was given, and why it failed."""
    with open_client() as client:
        queue, ids = split_words(client, place)
        if len(ids) != 1:
            raise click.UsageError(f"expected [QUEUE] ID, got {' '.join(place)}")
        shape = describe_letter(client.dead_letters(queue).get(ids[0]))
    if as_json:
        print_json(shape)
        return
    for name, value in shape.items():
        if value is not None:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            click.echo(f"{name:<13} {make_printable(text)}")


@dead.command("replay", short_help="Run the jobs that left them again.")
@letters_argument
@click.option("--all", "takes_all", is_flag=True, help="All that are meant; no ID then.")
@choice_options
@directory_option
@format_option
def replay(
    words: tuple[str, ...], takes_all: bool, as_json: bool, **choice: Unpack[Choice]
) -> None:
    """Sends dead letters back: the jobs that left them run again, with all their attempts.

    A job that was not kept is added anew under its id. The letter goes in the same step.
    """
    with open_client() as client:
        queue, ids = split_words(client, words)
        if takes_all == bool(ids):
            raise click.UsageError("expected the ID of a letter, or --all")
        if ids:
            moved = move_by_id(ids, choice, client.dead_letters(queue).replay)
        else:
            letters = choose(client, queue, choice)
            with showing_progress("replaying", count_jobs(client, queue)) as tell:
                moved = letters.replay_all(on_progress=tell)
    answer(moved, "replayed", as_json=as_json)


@dead.command("purge", short_help="Remove them.")
@letters_argument
@choice_options
@yes_option
@directory_option
@format_option
def purge(words: tuple[str, ...], yes: bool, as_json: bool, **choice: Unpack[Choice]) -> None:
    """Removes dead letters, after asking: those of the IDs, or all that the options mean."""
    with open_client() as client:
        queue, ids = split_words(client, words)
        if ids:
            ask(f"remove {format_letters(len(ids))}?", yes=yes)
            moved = move_by_id(ids, choice, client.dead_letters(queue).purge)
        else:
            letters, jobs = choose(client, queue, choice), count_jobs(client, queue)
            ask(f"remove up to {format_letters(jobs)}?", yes=yes)
            with showing_progress("removing", jobs) as tell:
                moved = letters.purge_all(on_progress=tell)
    answer(moved, "removed", as_json=as_json)


def split_words(client: SyncClient, words: Sequence[str]) -> tuple[str | None, Sequence[str]]:
    """Takes `[QUEUE] [ID]...` apart: the first word is a queue if one of that name is declared."""
    if words and words[0] in client.pipeline.queues:
        return words[0], words[1:]
    return None, words


def choose(client: SyncClient, queue: str | None, choice: Choice) -> SyncDeadLetters:
    """Gives the letters that are meant; raises UnknownName."""
    if queue is not None:
        find_queue(client, queue)
    elif not client.dead_letters().queues:
        raise UnknownName("no queue has a dead_letter; name the queue whose letters are meant")
    if choice["from_queue"] is not None:
        find_queue(client, choice["from_queue"])
    return client.dead_letters(queue, **choice)


def count_jobs(client: SyncClient, queue: str | None) -> int:
    """Counts what lies in the queues: as many letters there are at most."""
    counts = (client.queue(name).counts() for name in client.dead_letters(queue).queues)
    return sum(
        one.waiting + one.prioritized + one.delayed + one.completed + one.failed for one in counts
    )


def move_by_id(ids: Sequence[str], choice: Choice, move: Callable[..., int]) -> MovedLetters:
    """Moves letters by their ids; raises a usage error if options are there as well."""
    given = [name for name, value in choice.items() if value is not None]
    if given:
        option = given[0].removesuffix("_queue").replace("_", "-")
        raise click.UsageError(f"expected IDs or --{option}, got both")
    return MovedLetters(move(*ids), {})


def answer(moved: MovedLetters, word: str, *, as_json: bool) -> None:
    """Tells how many letters were moved, and why others stay."""
    if as_json:
        print_json({word: moved.moved, "refused": sum(moved.refused.values())})
        return
    click.echo(f"{word} {format_letters(moved.moved)}")
    for reason, count in moved.refused.items():
        click.echo(f"{format_letters(count)} not {word}: {reason}")


def describe_letter(letter: DeadLetter) -> dict[str, Any]:
    """Gives a letter's facts by the names that others build on."""
    return {
        "id": letter.id,
        "queue": letter.queue,
        "state": letter.state.value,
        "name": letter.name,
        "from_queue": letter.from_queue,
        "from_id": letter.from_id,
        "error": letter.error,
        "error_type": letter.error_type,
        "attempts": letter.attempts,
        "failed_at": letter.failed_at,
        "data": letter.data,
    }


def format_letters(count: int) -> str:
    """Writes how many letters there are."""
    return f"{count} dead letter" if count == 1 else f"{count} dead letters"


def format_error(letter: DeadLetter) -> str | None:
    """Writes an error as a row holds it: its type, and its first line."""
    return cut_text(": ".join(filter(None, [letter.error_type, letter.error])))
