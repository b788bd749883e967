"""Tables on the terminal, by rich; imported only when one is shown."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

#: Not a terminal: wide enough that nothing is folded, so that grep and awk see whole rows.
PIPE_WIDTH = 10_000


#: A column of words is readable from this width on.
_FOLDED = 24
_GAP = 2


def show_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], expendable: Sequence[str] = ()
) -> None:
    """Prints rows of text; a column of numbers is aligned to the right.

    Cells fold between words. What has no blanks stays whole, if need be beyond the terminal's edge:
    an id is there to be copied. Before anything gets too narrow, `expendable` columns are left out.
    """
    console = make_console()
    kept = _choose_columns(columns, rows, expendable, console.width)
    columns = [columns[index] for index in kept]
    rows = [[row[index] for index in kept] for row in rows]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        cells = [row[index] for row in rows]
        table.add_column(
            column,
            justify="right" if all(map(_is_number, cells)) else "left",
            overflow="fold",
            no_wrap=not any(" " in cell for cell in cells),
        )
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    wide = console.options.update(width=PIPE_WIDTH)
    console.width = max(console.width, Measurement.get(console, wide, table).minimum)
    with console.capture() as captured:
        console.print(table)
    # rich fills the last column with blanks, too.
    for line in captured.get().splitlines():
        print(line.rstrip())


def _choose_columns(
    columns: Sequence[str], rows: Sequence[Sequence[str]], expendable: Sequence[str], width: int
) -> list[int]:
    """Gives the indexes of the columns to show."""
    needed = {
        index: _measure([column, *(row[index] for row in rows)])
        for index, column in enumerate(columns)
    }
    for column in expendable:
        if sum(needed.values()) + _GAP * (len(needed) - 1) <= width:
            break
        del needed[columns.index(column)]
    return list(needed)


def _measure(cells: Sequence[str]) -> int:
    widest = max(map(cell_len, cells))
    return min(widest, _FOLDED) if any(" " in cell for cell in cells) else widest


def make_console() -> Console:
    """Gives a console on stdout: plain and unfolded unless it is a terminal."""
    is_terminal = sys.stdout.isatty()
    return Console(file=sys.stdout, highlight=False, width=None if is_terminal else PIPE_WIDTH)


def _is_number(cell: str) -> bool:
    return cell == "-" or cell.replace(".", "", 1).isdigit()
