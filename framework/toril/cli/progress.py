"""How far a long operation is, shown on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click


@contextmanager
def showing_progress(label: str, jobs: int) -> Iterator[Callable[[int], None] | None]:
    """Gives what to tell of the jobs that are done by now; None where nobody looks on."""
    if not sys.stderr.isatty():
        yield None
        return
    with click.progressbar(length=jobs, label=label, show_pos=True, file=sys.stderr) as bar:

        def tell(done: int) -> None:
            bar.update(done - bar.pos)

        yield tell
