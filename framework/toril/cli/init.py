"""`toril init`: writes a small working pipeline."""

from __future__ import annotations

import shlex
from importlib.resources import files
from pathlib import Path

import click

FILES = ("toril.yaml", "greetings.yaml", "processors.py")


@click.command(short_help="Write a small working pipeline into a directory.")
@click.argument("directory", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
def init(directory: Path) -> None:
    """Writes a small working pipeline into DIR, which is made if need be.

    Nothing is overwritten: a directory that already holds YAML, or a file of the new pipeline's, is
    refused.
    """
    in_the_way = find_in_the_way(directory)
    if in_the_way:
        raise click.UsageError(
            f"{str(directory)!r} already holds {', '.join(in_the_way)}; give another directory"
        )
    try:
        write_pipeline(directory)
    except OSError as error:
        raise click.UsageError(f"cannot write {str(directory)!r}: {error.strerror}") from error
    shown = shlex.quote(str(directory))
    click.echo(f"wrote {', '.join(FILES)} to {shown}\n")
    click.echo("run it, and add a job from another terminal:\n")
    click.echo(f"  toril run {shown}")
    click.echo(f"  toril -C {shown} add greet name=Ada --wait")


def find_in_the_way(directory: Path) -> list[str]:
    """Names the files that a new pipeline would overwrite or be mixed with."""
    own = [name for name in FILES if (directory / name).exists()]
    yaml = [path.name for pattern in ("*.yaml", "*.yml") for path in directory.glob(pattern)]
    return sorted({*own, *yaml})


def write_pipeline(directory: Path) -> None:
    """Writes the files of the new pipeline."""
    directory.mkdir(parents=True, exist_ok=True)
    source = files("toril.cli") / "new-pipeline"
    for name in FILES:
        text = (source / name).read_text(encoding="utf-8")
        (directory / name).write_text(text, encoding="utf-8")
