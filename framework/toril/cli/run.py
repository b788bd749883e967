"""`toril run`: runs a pipeline's workers and schedules until it is stopped, or idle."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import click

from toril.cli.options import directory_option, find_directory
from toril.cli.output import ANSWER_IS_NO, columns_of, make_printable
from toril.config.loader import Loaded, load_pipeline
from toril.declarations.units import parse_duration_ms
from toril.errors import ConfigurationError
from toril.runner.log_lines import format_json, format_text
from toril.runner.runner import Runner, RunOptions


def _parse_grace(_ctx: click.Context, _param: click.Parameter, text: str) -> float:
    try:
        return parse_duration_ms(text) / 1000
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _refuse_only(_ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    if value is not None:
        raise click.UsageError("'--only' is not available in this version of Toril")


@click.command(short_help="Run a pipeline's workers and schedules.")
@click.argument(
    "argument",
    metavar="[DIR]",
    required=False,
    type=click.Path(file_okay=False, path_type=Path),
)
@directory_option
@click.option(
    "--until-idle",
    is_flag=True,
    help="End by itself once nothing is waiting, delayed, active or being retried.",
)
@click.option(
    "--processes",
    metavar="N",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Worker processes; each runs every queue's concurrency.",
)
@click.option(
    "--grace",
    "grace_s",
    default="30s",
    show_default=True,
    metavar="DURATION",
    callback=_parse_grace,
    help="How long running jobs may take to finish after SIGTERM or Ctrl-C.",
)
@click.option(
    "--log",
    "log",
    type=click.Choice(["auto", "text", "json"]),
    default="auto",
    show_default=True,
    help="A live table on a terminal and text lines elsewhere, or always lines.",
)
@click.option("--only", hidden=True, expose_value=False, callback=_refuse_only)
def run(
    argument: Path | None, until_idle: bool, processes: int, grace_s: float, log: str
) -> NoReturn:
    """Runs the pipeline in DIR, ./pipelines unless it is given.

    A first Ctrl-C or SIGTERM lets running jobs finish within the grace, a second Ctrl-C hands them
    back at once. Exits with 0 when it was stopped or is idle, 1 if the pipeline has problems or the
    work cannot finish, 3 if there is no Redis.
    """
    loaded = _load(find_directory(argument))
    options = RunOptions(processes=processes, until_idle=until_idle, grace_s=grace_s)
    is_live = log == "auto" and sys.stdout.isatty()
    code = asyncio.run(
        _run_live(loaded, options)
        if is_live
        else _run_with_lines(loaded, options, format_json if log == "json" else format_text)
    )
    raise click.exceptions.Exit(code)


def _load(root: Path) -> Loaded:
    """Loads the pipeline, or ends with its problems; warnings are shown and do not end it."""
    columns = columns_of(sys.stderr)
    try:
        loaded = load_pipeline(root)
        loaded.require_pipeline()
    except ConfigurationError as error:
        for problem in error.problems:
            click.echo(f"{make_printable(problem.format(columns))}\n", err=True)
        click.echo(f"error: {error}", err=True)
        raise click.exceptions.Exit(ANSWER_IS_NO) from error
    for problem in loaded.problems:
        click.echo(f"{make_printable(problem.format(columns))}\n", err=True)
    return loaded


async def _run_with_lines(
    loaded: Loaded, options: RunOptions, format_line: Callable[..., str]
) -> int:
    runner: Runner | None = None

    def show(event: str, fields: Mapping[str, Any]) -> None:
        line = format_line(event, fields, now_ms=time.time_ns() // 1_000_000)
        try:
            print(line, flush=True)
        except BrokenPipeError:
            # `toril run | head`: the jobs that run are still finished or handed back.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            if runner is not None:
                runner.stop("nobody reads its output any more")

    runner = _make_runner(loaded, options, show)
    return await runner.run()


async def _run_live(loaded: Loaded, options: RunOptions) -> int:
    from toril.cli.live import LiveTable

    table = LiveTable()
    runner = _make_runner(loaded, options, table.note)
    async with table.showing(runner):
        return await runner.run()


def _make_runner(
    loaded: Loaded, options: RunOptions, on_event: Callable[[str, Mapping[str, Any]], None]
) -> Runner:
    pipeline, plugins = loaded.require_pipeline(), loaded.plugins
    assert plugins is not None
    return Runner(pipeline, plugins, options, on_event)
