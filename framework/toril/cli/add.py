"""`toril add`: adds a job, and may wait for its result."""

from __future__ import annotations

import click

from toril.adding import read_instant_ms
from toril.cli.arguments import parse_data
from toril.cli.connect import open_client
from toril.cli.options import directory_option, format_option
from toril.cli.output import print_json
from toril.cli.waiting import check_wait, wait_options, waiting_for, warn_if_idle
from toril.declarations.spans import read_span_ms
from toril.runtime.calls.add import MAX_PRIORITY


def _check_delay(_ctx: click.Context, _param: click.Parameter, text: str | None) -> str | None:
    try:
        if text is not None:
            read_span_ms(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return text


def _check_at(_ctx: click.Context, _param: click.Parameter, text: str | None) -> str | None:
    try:
        if text is not None:
            read_instant_ms(text, "UTC")
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return text


@click.command(short_help="Add a job.")
@click.argument("job_type", metavar="JOB")
@click.argument("words", metavar="[KEY=VALUE]...", nargs=-1)
@click.option("--data", "text", metavar="JSON", help="The data; KEY=VALUE words are set over it.")
@click.option(
    "--delay", metavar="DURATION", callback=_check_delay, help="Due after 5s, 10m, 1h30m."
)
@click.option(
    "--at",
    metavar="TIME",
    callback=_check_at,
    help="Due at 2027-01-01T09:00:00, in the pipeline's time zone unless it names one.",
)
@click.option(
    "--priority",
    metavar="N",
    type=click.IntRange(0, MAX_PRIORITY),
    help="1 is the most urgent; 0 is none, ahead of all priorities.",
)
@click.option("--id", "job_id", metavar="ID", help="The job's id; one that exists adds nothing.")
@click.option("--lifo", is_flag=True, help="Run before the jobs that wait already.")
@wait_options
@directory_option
@format_option
def add(
    job_type: str,
    words: tuple[str, ...],
    text: str | None,
    delay: str | None,
    at: str | None,
    priority: int | None,
    job_id: str | None,
    lifo: bool,
    wait: bool,
    timeout: str | None,
    as_json: bool,
) -> None:
    """Adds a job of the type JOB and prints its id.

    A VALUE is JSON if it reads as JSON, else text: n=3 ok=true name=Ada id='"3"'. With --wait the
    job's result is printed as JSON instead, and the exit code is 1 if the job failed.
    """
    check_wait(timeout, wait=wait)
    if delay is not None and at is not None:
        raise click.UsageError("--delay and --at cannot be given together")
    data = parse_data(words, text)
    with open_client() as client:
        handle = client.add(
            job_type, data, id=job_id, delay=delay, at=at, priority=priority, lifo=lifo
        )
        if wait:
            with waiting_for(f"job {handle.id!r} of queue {handle.queue!r}"):
                warn_if_idle(client, [handle.queue])
                result = handle.result(timeout)
            print_json(result)
        elif as_json:
            print_json({"id": handle.id, "queue": handle.queue, "created": handle.created})
        else:
            click.echo(handle.id)
