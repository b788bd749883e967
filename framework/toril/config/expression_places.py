"""Where in the language `${{ }}` is evaluated."""

from __future__ import annotations

from collections.abc import Iterable

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


def takes_expressions(path: tuple[str | int, ...]) -> bool:
    """Whether `${{ }}` is evaluated at this path."""
    tree = _TREE
    for step in path:
        below = tree.get(step, tree.get("*"))
        if below is None:
            return False
        if "**" in below:
            return True
        tree = below
    return not tree


class _Tree(dict[str | int, "_Tree"]):
    """What may stand below a place, by name; empty where a place ends."""


def _draw_tree(places: Iterable[tuple[str, ...]]) -> _Tree:
    tree = _Tree()
    for place in places:
        below = tree
        for step in place:
            below = below.setdefault(step, _Tree())
    return tree


#: The places as a tree, for every value of every file is looked up.
_TREE = _draw_tree(_PLACES)
