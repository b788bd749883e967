"""Where plugins are found: entry points of group `toril`, and the configuration's own files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from toril.plugins.local_files import load_file

GROUP = "toril"


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A plugin that was found and not yet imported."""

    name: str
    owner: str
    version: str | None
    load: Callable[[], object]


def find_installed() -> Iterator[Candidate]:
    """Finds the installed plugins, Toril's own first, the others by name."""
    points = sorted(entry_points(group=GROUP), key=lambda point: (point.name != "core", point.name))
    # A distribution found twice on sys.path (a checkout and its build) brings its points twice.
    for point in dict.fromkeys(points):
        yield Candidate(
            name=point.name, owner=_owner_of(point), version=_version_of(point), load=point.load
        )


def find_files(paths: Iterable[Path]) -> Iterator[Candidate]:
    """Makes a candidate of each local path, in their order; the plugin's name is the file's."""
    for path in paths:
        yield Candidate(
            name=path.stem, owner=str(path), version=None, load=partial(load_file, path)
        )


def _owner_of(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.value


def _version_of(point: EntryPoint) -> str | None:
    return point.dist.version if point.dist is not None else None
