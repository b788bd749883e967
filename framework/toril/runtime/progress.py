"""Telling how far an operation of many calls is."""

from __future__ import annotations

from collections.abc import Callable

#: Is told after each call how many jobs it has been so far.
Progress = Callable[[int], None]


def tell(on_progress: Progress | None, jobs: int) -> None:
    """Tells it, if anybody wants to know."""
    if on_progress is not None:
        on_progress(jobs)
