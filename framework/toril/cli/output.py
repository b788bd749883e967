"""How commands answer: JSON or text on stdout, one clear line on stderr, the exit code.

rich is imported by `print_table` only, so that JSON and plain answers start faster.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

import click

from toril import errors

DONE = 0
#: The command worked and its answer is no: problems, findings, a failed job, an id not there.
ANSWER_IS_NO = 1
WRONG_USAGE = 2
NO_REDIS = 3

#: Characters of an error or a result in a row.
SHOWN_TEXT = 80

#: The first class that fits decides.
EXIT_CODES: Sequence[tuple[type[errors.TorilError], int]] = (
    (errors.RedisUnavailable, NO_REDIS),
    (errors.EmbeddedServerError, NO_REDIS),
    (errors.UnknownName, WRONG_USAGE),
    (errors.TorilError, ANSWER_IS_NO),
)


@contextmanager
def failing_clearly() -> Iterator[None]:
    """Ends the command on a TorilError: one line on stderr, and the exit code that fits."""
    try:
        yield
    except errors.TorilError as error:
        click.echo(f"error: {format_error(error)}", err=True)
        raise click.exceptions.Exit(exit_code_of(error)) from error


def exit_code_of(error: errors.TorilError) -> int:
    """Gives the exit code for an error of Toril's."""
    return next(code for kind, code in EXIT_CODES if isinstance(error, kind))


def format_error(error: errors.TorilError) -> str:
    """Writes an error as its line, with the problems of a configuration below it."""
    lines = [str(error) or type(error).__name__]
    if isinstance(error, errors.ConfigurationError):
        columns = columns_of(sys.stderr)
        lines += [problem.format(columns) for problem in error.problems]
    return "\n".join(lines)


def columns_of(stream: TextIO) -> int | None:
    """Gives the width of a terminal, None for anything else."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def print_json(value: Any) -> None:
    """Prints an answer for programs: indented JSON, text as it is in UTF-8.

    Half a surrogate pair, which Node can store and UTF-8 cannot hold, stays escaped.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    click.echo(text.encode("utf-8", "backslashreplace").decode())


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    empty: str,
    expendable: Sequence[str] = (),
) -> None:
    """Prints rows under column heads, right-aligning numbers; `empty` when there is none.

    Long cells fold to the terminal's width; where it is too narrow for that, columns that are
    `expendable` are left out, the first ones first. In a pipe nothing is folded, coloured or gone.
    """
    texts = [[_format_cell(cell) for cell in row] for row in rows]
    if not texts:
        click.echo(empty)
        return
    from toril.cli.tables import show_table

    show_table(columns, texts, expendable)


def format_jobs(count: int, state: str = "") -> str:
    """Writes how many jobs there are, of a state if one is given."""
    return " ".join(filter(None, [str(count), state, "job" if count == 1 else "jobs"]))


def make_printable(text: str) -> str:
    """Replaces control characters, which a job's data may hold to play with the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in text)


def cut_text(text: str | None) -> str | None:
    """Gives as much of a text as a row holds: its first line, and not all of a long one."""
    if not text:
        return None
    first = text.splitlines()[0]
    is_cut = len(first) > SHOWN_TEXT or first != text
    return f"{first[:SHOWN_TEXT]}…" if is_cut else first


def _format_cell(cell: object) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return make_printable(str(cell))
