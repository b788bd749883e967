"""What `add --wait` and `flow start --wait` share: the options, and a word if nobody works."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from toril.cli.output import ANSWER_IS_NO
from toril.declarations.spans import read_timeout_s
from toril.runtime.calls.queues import count_workers
from toril.sync_client import SyncClient

F = TypeVar("F", bound=Callable[..., Any])


def wait_options(command: F) -> F:
    """Adds `--wait` and `--timeout`; the command is given `wait` and `timeout`."""
    timeout = click.option(
        "--timeout",
        metavar="DURATION",
        callback=_check_timeout,
        help="With --wait: give up after so long, and exit with 1.",
    )
    wait = click.option("--wait", is_flag=True, help="Wait for the end and print the result.")
    return wait(timeout(command))


def check_wait(timeout: str | None, *, wait: bool) -> None:
    """Raises a usage error for a timeout without a wait."""
    if timeout is not None and not wait:
        raise click.UsageError("--timeout needs --wait")


def warn_if_idle(client: SyncClient, queues: Iterable[str]) -> None:
    """Says on stderr which queues no worker is connected to, as far as workers announce it."""
    if not client.pipeline.redis.announce_workers:
        return
    names = sorted(set(queues))
    workers = client.send(count_workers(client.pipeline.redis.prefix, names))
    idle = [repr(name) for name in names if not workers[name]]
    if idle:
        noun = "queue" if len(idle) == 1 else "queues"
        where = f"`toril run {client.pipeline.root}`"
        click.echo(
            f"no worker serves {noun} {', '.join(idle)} now; start one with {where}", err=True
        )


@contextmanager
def waiting_for(what: str) -> Iterator[None]:
    """Ends the command on Ctrl-C, saying what goes on without it."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"\nno longer waiting for {what}; it goes on", err=True)
        raise click.exceptions.Exit(ANSWER_IS_NO) from None


def _check_timeout(_ctx: click.Context, _param: click.Parameter, text: str | None) -> str | None:
    try:
        read_timeout_s(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return text
