"""`toril job`: looking at jobs, and moving one by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import click

from toril.cli.connect import find_queue, open_client
from toril.cli.groups import NounGroup
from toril.cli.job_shape import describe_job
from toril.cli.many import promote_all, retry_all
from toril.cli.options import directory_option, format_option
from toril.cli.output import ANSWER_IS_NO, cut_text, make_printable, print_json, print_table
from toril.errors import JobNotFound
from toril.handles.sync_job_handle import SyncJobHandle
from toril.runtime.calls import jobs as job_calls
from toril.runtime.calls.jobs import FoundJob
from toril.runtime.cancel import Cancelling
from toril.runtime.states import JobState
from toril.sync_client import SyncClient

F = TypeVar("F", bound=Callable[..., Any])

STATES = [state.value for state in JobState if state is not JobState.UNKNOWN]


@click.group(cls=NounGroup, short_help="Show, list, retry, cancel and remove jobs.")
def job() -> None:
    """Shows, lists, retries, promotes and removes jobs.

    Where a job is named, QUEUE may be left out: then the declared queues are searched for the ID.
    """


def place_argument(command: F) -> F:
    """Adds the argument `[QUEUE] ID`."""
    return click.argument("place", metavar="[QUEUE] ID", nargs=-1, required=True)(command)


@job.command("show", short_help="Show one job.")
@place_argument
@directory_option
@format_option
def show(place: tuple[str, ...], as_json: bool) -> None:
    """Shows a job: where it is, what it was given, how its attempts ended."""
    with open_client() as client:
        found = find_job(client, place)
    shape = describe_job(found.job, found.state)
    if as_json:
        print_json(shape)
        return
    for name, value in shape.items():
        if value not in (None, [], {}):
            click.echo(f"{name:<13} {_format_value(value)}")


@job.command("list", short_help="List the jobs of a queue in one state.")
@click.argument("queue", metavar="QUEUE")
@click.argument("state", metavar="STATE", type=click.Choice(STATES))
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(1, 1000),
    default=20,
    show_default=True,
    help="How many.",
)
@click.option(
    "--skip", metavar="N", type=click.IntRange(0), default=0, help="How many to pass over first."
)
@directory_option
@format_option
def list_jobs(queue: str, state: str, limit: int, skip: int, as_json: bool) -> None:
    """Lists the jobs of QUEUE in one STATE, the newest first.

    The states: waiting, prioritized, delayed, active, waiting-children, completed, failed.
    """
    with open_client() as client:
        find_queue(client, queue)
        wanted = JobState(state)
        call = job_calls.list_jobs(client.keys(queue), wanted, first=skip, count=limit)
        shapes = [describe_job(found, wanted) for found in client.send(call)]
    if as_json:
        print_json({"jobs": shapes})
        return
    rows = [
        (s["id"], s["name"], s["attempts"], s["finished_at"] or s["added_at"], cut_text(s["error"]))
        for s in shapes
    ]
    when = "finished" if wanted in (JobState.COMPLETED, JobState.FAILED) else "added"
    heads = ("id", "name", "attempts", when, "error")
    empty = f"no job of {queue!r} is {state}"
    print_table(heads, rows, empty=empty, expendable=("attempts", when))


@job.command("retry", short_help="Run a finished job again, or all of a queue.")
@place_argument
@click.option("--all", "takes_all", is_flag=True, help="All failed jobs of QUEUE; no ID then.")
@click.option(
    "--state",
    type=click.Choice([JobState.FAILED.value, JobState.COMPLETED.value]),
    help="With --all: the jobs of which state; failed unless given.",
)
@directory_option
@format_option
def retry(place: tuple[str, ...], takes_all: bool, state: str | None, as_json: bool) -> None:
    """Runs a failed or completed job again, with all its attempts.

    With --all it is all that have failed in QUEUE by now, the oldest first.
    """
    if takes_all:
        retry_all(place, state or JobState.FAILED.value, as_json=as_json)
        return
    if state is not None:
        raise click.UsageError("--state is for --all")
    _act(place, SyncJobHandle.retry, "retried", as_json=as_json)


@job.command("promote", short_help="Make a delayed job due now, or all of a queue.")
@place_argument
@click.option("--all", "takes_all", is_flag=True, help="All delayed jobs of QUEUE; no ID then.")
@directory_option
@format_option
def promote(place: tuple[str, ...], takes_all: bool, as_json: bool) -> None:
    """Makes a delayed job due now."""
    if takes_all:
        promote_all(place, as_json=as_json)
        return
    _act(place, SyncJobHandle.promote, "promoted", as_json=as_json)


@job.command("cancel", short_help="Cancel a job.")
@place_argument
@click.option("--reason", metavar="TEXT", help="Why; it is stored with the job.")
@click.option("--children", is_flag=True, help="All below it that has not finished, too.")
@directory_option
@format_option
def cancel(place: tuple[str, ...], reason: str | None, children: bool, as_json: bool) -> None:
    """Fails a job that has not finished, for good.

    One that does not run fails at once. The worker of one that runs is told, and fails it when its
    processor has ended. The exit code is 1 if it runs in another runtime, which nobody can tell.
    """
    with open_client() as client:
        found = find_job(client, place).job
        answer = client.job(found.queue, found.id).cancel(reason, with_children=children)
    if as_json:
        print_json({"id": found.id, "queue": found.queue, "cancel": answer.value})
    else:
        click.echo(_CANCEL_WORDS[answer].format(f"job {found.id!r} of queue {found.queue!r}"))
    if answer is Cancelling.ELSEWHERE:
        raise click.exceptions.Exit(ANSWER_IS_NO)


_CANCEL_WORDS = {
    Cancelling.CANCELLED: "cancelled {}",
    Cancelling.TOLD: "told the worker of {} to stop it",
    Cancelling.ELSEWHERE: "{} runs in another runtime, which does not listen; it goes on there",
}


@job.command("remove", short_help="Remove a job.")
@place_argument
@directory_option
@format_option
def remove(place: tuple[str, ...], as_json: bool) -> None:
    """Removes a job that is not active, and the jobs it waits for."""
    _act(place, SyncJobHandle.remove, "removed", as_json=as_json)


@job.command("logs", short_help="Print what a job logged.")
@place_argument
@directory_option
@format_option
def logs(place: tuple[str, ...], as_json: bool) -> None:
    """Prints the lines a job logged, the oldest first."""
    with open_client() as client:
        found = find_job(client, place)
        lines = client.job(found.job.queue, found.job.id).logs()
    if as_json:
        print_json({"id": found.job.id, "queue": found.job.queue, "logs": lines})
        return
    for line in lines:
        click.echo(make_printable(line))


def find_job(client: SyncClient, place: tuple[str, ...]) -> FoundJob:
    """Finds the job that `[QUEUE] ID` names; raises JobNotFound or UnknownName."""
    if len(place) > 2:
        raise click.UsageError(f"expected [QUEUE] ID, got {len(place)} words")
    *named, job_id = place
    queues = [find_queue(client, named[0]).name] if named else list(client.pipeline.queues)
    found = _search(client, queues, job_id)
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(one.job.queue for one in found)
        raise click.UsageError(f"job {job_id!r} is in several queues ({names}); name one before it")
    if not named:
        raise JobNotFound(f"no job {job_id!r} in any declared queue")
    raise JobNotFound(f"no job {job_id!r} in queue {named[0]!r}{_hint(client, named[0], job_id)}")


def _search(client: SyncClient, queues: list[str], job_id: str) -> list[FoundJob]:
    replies = [client.send(job_calls.read_jobs(client.keys(name), [job_id])) for name in queues]
    return [found for (found,) in replies if found is not None]


def _hint(client: SyncClient, queue: str, job_id: str) -> str:
    others = [name for name in client.pipeline.queues if name != queue]
    found = _search(client, others, job_id)
    return f"; did you mean queue {found[0].job.queue!r}?" if found else ""


def _act(
    place: tuple[str, ...], act: Callable[[SyncJobHandle], object], word: str, *, as_json: bool
) -> None:
    with open_client() as client:
        found = find_job(client, place).job
        handle = client.job(found.queue, found.id)
        act(handle)
        state = None if word == "removed" else handle.state().value
    if as_json:
        print_json({"id": found.id, "queue": found.queue, "done": word, "state": state})
    else:
        click.echo(f"{word} job {found.id!r} of queue {found.queue!r}")


def _format_value(value: Any) -> str:
    if isinstance(value, str):
        return make_printable(value)
    if isinstance(value, list):
        return make_printable("\n".join(str(line) for line in value))
    return make_printable(json.dumps(value, ensure_ascii=False))
