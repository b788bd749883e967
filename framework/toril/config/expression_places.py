"""Where in the language `${{ }}` is evaluated."""

from __future__ import annotations

#: Paths from the root of a file; `*` stands for one name, `**` for all that is below.
_PLACES: tuple[tuple[str, ...], ...] = (
    ("flows", "*", "steps", "*", "data", "**"),
    ("flows", "*", "steps", "*", "if"),
    ("flows", "*", "steps", "*", "foreach", "**"),
    ("flows", "*", "steps", "*", "matrix", "**"),
    ("schedules", "*", "data", "**"),
    ("schedules", "*", "id"),
    ("schedules", "*", "priority"),
    ("jobs", "*", "unique", "by"),
    ("queues", "*", "job", "unique", "by"),
    ("defaults", "job", "unique", "by"),
    ("queues", "*", "limits", "*", "key"),
    ("defaults", "queue", "limits", "*", "key"),
    ("queues", "*", "dead_letter", "when"),
    ("jobs", "*", "dead_letter", "when"),
    ("defaults", "queue", "dead_letter", "when"),
)
_FIRST = frozenset(place[0] for place in _PLACES)


def takes_expressions(path: tuple[str | int, ...]) -> bool:
    """Whether `${{ }}` is evaluated at this path."""
    return len(path) > 2 and path[0] in _FIRST and any(_leads(path, place) for place in _PLACES)


def _leads(path: tuple[str | int, ...], place: tuple[str, ...]) -> bool:
    if place[-1] == "**":
        place = place[:-1]
        path = path[: len(place)]
    return len(path) == len(place) and all(
        wanted in ("*", step) for step, wanted in zip(path, place, strict=True)
    )
