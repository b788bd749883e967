"""Options and arguments that several commands share, and the directory they speak of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

DEFAULT_DIRECTORY = Path("pipelines")

F = TypeVar("F", bound=Callable[..., Any])


def queue_argument(command: F) -> F:
    """Adds the argument `QUEUE`; the command is given `name`."""
    return click.argument("name", metavar="QUEUE")(command)


def directory_option(command: F) -> F:
    """Adds `-C DIR`, before or after the command's name; `find_directory` reads it."""
    return click.option(
        "-C",
        "directory",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIR",
        expose_value=False,
        callback=_remember_directory,
        help="The pipeline's directory; ./pipelines, or the current one, unless it is given.",
    )(command)


def format_option(command: F) -> F:
    """Adds `--format text|json`; the command is given `as_json`."""
    return click.option(
        "--format",
        "as_json",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        callback=lambda _ctx, _param, value: value == "json",
        help="How to print the answer.",
    )(command)


def find_directory(argument: Path | None = None) -> Path:
    """Gives the pipeline's directory: the command's argument, else `-C`, else ./pipelines.

    Without any of them the current directory serves if it holds a toril.yaml. Raises a usage error
    when there is no such directory.
    """
    given = argument or click.get_current_context().find_root().obj
    directory = given or _default_directory()
    if directory.is_dir():
        return directory
    hint = "" if given else "; give one with -C DIR, or write one with `toril init pipelines`"
    raise click.UsageError(f"no directory {str(directory)!r}{hint}")


def _default_directory() -> Path:
    here = Path()
    if not DEFAULT_DIRECTORY.is_dir() and (here / "toril.yaml").is_file():
        return here
    return DEFAULT_DIRECTORY


def _remember_directory(ctx: click.Context, _: click.Parameter, value: Path | None) -> None:
    if value is not None:
        ctx.find_root().obj = value
