"""`toril check`: loads a pipeline and prints every problem."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from toril.cli.options import directory_option, find_directory, format_option
from toril.cli.output import ANSWER_IS_NO, columns_of, print_json
from toril.config.loader import load_pipeline


@click.command(short_help="Check a pipeline and print every problem.")
@click.argument(
    "argument",
    metavar="[DIR]",
    required=False,
    type=click.Path(file_okay=False, path_type=Path),
)
@directory_option
@format_option
def check(argument: Path | None, as_json: bool) -> None:
    """Checks the pipeline in DIR, ./pipelines unless it is given, and prints every problem.

    Exits with 0 if there are none, or warnings only, and with 1 otherwise.
    """
    root = find_directory(argument)
    loaded = load_pipeline(root)
    if as_json:
        print_json({"problems": [problem.as_json() for problem in loaded.problems]})
    else:
        columns = columns_of(sys.stdout)
        for problem in loaded.problems:
            click.echo(f"{problem.format(columns)}\n")
        click.echo(_summary(root, [problem.severity for problem in loaded.problems]))
    if loaded.pipeline is None:
        raise click.exceptions.Exit(ANSWER_IS_NO)


def _summary(root: Path, severities: list[str]) -> str:
    errors, warnings = severities.count("error"), severities.count("warning")
    if not severities:
        return f"{root}: no problems"
    counts = [
        f"{number} {noun}{'' if number == 1 else 's'}"
        for number, noun in ((errors, "problem"), (warnings, "warning"))
        if number
    ]
    return f"{root}: {', '.join(counts)}"
