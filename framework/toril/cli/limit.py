"""`toril queue limit`: what a queue allows over all its workers."""

from __future__ import annotations

from itertools import zip_longest
from typing import TypeVar

import click

from toril.cli.connect import find_queue, open_client
from toril.cli.options import directory_option, format_option, queue_argument
from toril.cli.output import print_json
from toril.declarations.queue import Queue
from toril.declarations.spans import read_span_ms
from toril.declarations.units import MAX_LIMIT, Rate, format_duration, format_rate, parse_rate
from toril.errors import TorilError
from toril.handles.sync_queue_handle import SyncQueueHandle
from toril.runtime.calls.limits import Limits

T = TypeVar("T")

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
    "--key",
    "number",
    metavar="N",
    type=click.IntRange(min=1),
    help="Of its N-th limit per key: what --max-active and --rate are to change.",
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
    number: int | None,
    hold: str | None,
    release: bool,
    as_json: bool,
) -> None:
    """Sets what QUEUE allows over all its workers, BullMQ's for Node too, and shows it.

    It stays in Redis until it is lifted. Without options it is shown only.
    """
    if hold is not None and release:
        raise click.UsageError("expected --hold or --release, got both")
    if number is not None and max_active is None and rate is None:
        raise click.UsageError("expected --max-active or --rate with --key")
    with open_client() as client:
        queue = find_queue(client, name)
        handle = client.queue(queue.name)
        if number is None:
            _change(handle, max_active, rate)
        elif not _change_key(handle, number, max_active, rate):
            raise TorilError(
                f"queue {queue.name!r} has no limit per key {number}; limits are declared under "
                "queues.NAME.limits, and are in Redis once `toril run` has started with them"
            )
        if hold is not None:
            handle.hold(hold)
        if release:
            handle.release_rate_limit()
        limits = handle.limits()
    _show(queue, limits, as_json=as_json)


def _show(queue: Queue, limits: Limits, *, as_json: bool) -> None:
    per_key = [
        {
            "key": declared.key if declared else None,
            "max_active": bounds.max_active,
            "rate": bounds.rate and format_rate(bounds.rate),
        }
        for bounds, declared in zip_longest(limits.per_key, queue.limits[: len(limits.per_key)])
    ]
    rate = limits.rate and format_rate(limits.rate)
    if as_json:
        shown = {"max_active": limits.max_active, "rate": rate, "held_ms": limits.held_ms}
        print_json({"queue": queue.name, **shown, "per_key": per_key})
        return
    click.echo(f"max active  {limits.max_active or NONE}")
    click.echo(f"rate        {rate or NONE}")
    for number, row in enumerate(per_key, 1):
        click.echo(
            f"key {number}       max active {row['max_active'] or NONE}, rate {row['rate'] or NONE}"
            f" for each {row['key'] or '(not declared)'}"
        )
    if limits.held_ms:
        click.echo(f"held for    {format_duration(limits.held_ms)}")


def _change(handle: SyncQueueHandle, max_active: int | str | None, rate: Rate | str | None) -> None:
    if max_active is not None:
        handle.set_max_active(_or_none(max_active))
    if rate is not None:
        handle.set_rate_limit(_or_none(rate))


def _change_key(
    handle: SyncQueueHandle, number: int, max_active: int | str | None, rate: Rate | str | None
) -> bool:
    is_there = True
    if max_active is not None:
        is_there = handle.set_key_max_active(number, _or_none(max_active))
    if rate is not None:
        is_there = handle.set_key_rate(number, _or_none(rate))
    return is_there


def _or_none(value: T | str) -> T | None:
    return None if isinstance(value, str) else value
