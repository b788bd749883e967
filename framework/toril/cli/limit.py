"""`toril queue limit`: what a queue allows over all its workers."""

from __future__ import annotations

import click

from toril.cli.connect import find_queue, open_client
from toril.cli.options import directory_option, format_option, queue_argument
from toril.cli.output import print_json
from toril.declarations.spans import read_span_ms
from toril.declarations.units import MAX_LIMIT, Rate, format_duration, format_rate, parse_rate
from toril.runtime.calls.limits import Limits
from toril.sync_client import SyncClient

#: What lifts a limit.
NONE = "none"


def _read_max_active(
    _ctx: click.Context, _param: click.Parameter, text: str | None
) -> int | str | None:
    if text is None or text == NONE:
        return text
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_LIMIT:
        raise click.BadParameter(f"expected a number from 1 to {MAX_LIMIT}, or none, got {text!r}")
    return int(text)


def _read_rate(_ctx: click.Context, _param: click.Parameter, text: str | None) -> Rate | str | None:
    if text is None or text == NONE:
        return text
    try:
        return parse_rate(text)
    except ValueError as error:
        raise click.BadParameter(f"{error}, or none") from error


def _check_span(_ctx: click.Context, _param: click.Parameter, text: str | None) -> str | None:
    try:
        if text is not None and read_span_ms(text) == 0:
            raise click.BadParameter("expected a time above 0")
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return text


@click.command("limit", short_help="Show or set what a queue allows at once and per time.")
@queue_argument
@click.option(
    "--max-active",
    metavar="N",
    callback=_read_max_active,
    help="At most N of its jobs are active at once; none lifts the bound.",
)
@click.option(
    "--rate",
    metavar="RATE",
    callback=_read_rate,
    help="At most so many of its jobs start per time: 10/s, 100/5m; none lifts the bound.",
)
@click.option(
    "--hold", metavar="DURATION", callback=_check_span, help="Start none of its jobs for so long."
)
@click.option("--release", is_flag=True, help="End what the rate, or --hold, keeps back now.")
@directory_option
@format_option
def limit(
    name: str,
    max_active: int | str | None,
    rate: Rate | str | None,
    hold: str | None,
    release: bool,
    as_json: bool,
) -> None:
    """Sets what QUEUE allows over all its workers, BullMQ's for Node too, and shows it.

    It stays in Redis until it is lifted. Without options it is shown only.
    """
    if hold is not None and release:
        raise click.UsageError("expected --hold or --release, got both")
    with open_client() as client:
        limits = _change(client, name, max_active, rate, hold, release=release)
    shown_rate = None if limits.rate is None else format_rate(limits.rate)
    if as_json:
        print_json(
            {
                "queue": name,
                "max_active": limits.max_active,
                "rate": shown_rate,
                "held_ms": limits.held_ms,
            }
        )
        return
    click.echo(f"max active  {limits.max_active or NONE}")
    click.echo(f"rate        {shown_rate or NONE}")
    if limits.held_ms:
        click.echo(f"held for    {format_duration(limits.held_ms)}")


def _change(
    client: SyncClient,
    name: str,
    max_active: int | str | None,
    rate: Rate | str | None,
    hold: str | None,
    *,
    release: bool,
) -> Limits:
    queue = client.queue(find_queue(client, name).name)
    if max_active is not None:
        queue.set_max_active(None if isinstance(max_active, str) else max_active)
    if rate is not None:
        queue.set_rate_limit(None if isinstance(rate, str) else rate)
    if hold is not None:
        queue.hold(hold)
    if release:
        queue.release_rate_limit()
    return queue.limits()
