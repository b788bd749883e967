"""The declared entries of all files, by kind and name; a name that two files declare is found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from toril.config.document import Document, Path

KINDS = ("queues", "jobs", "schedules", "flows")


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One declaration as it stands in a file."""

    kind: str
    name: str
    document: Document
    value: Any
    #: Where it stands if that is not under its kind and name: a step that changes its job.
    at: Path = ()
    #: The job that it changes.
    over: Entry | None = None

    @property
    def path(self) -> Path:
        """Where it stands in its file."""
        return self.at or (self.kind, self.name)

    @property
    def is_sound(self) -> bool:
        """Whether its shape is right, so that it may be looked into."""
        return self.path not in self.document.bad

    def has(self, *keys: str) -> bool:
        """Whether the value under these keys is there and its shape is right."""
        if (*self.path, *keys) in self.document.bad:
            return False
        value = self.value
        for key in keys:
            if not isinstance(value, dict) or key not in value:
                return False
            value = value[key]
        return True

    def add(
        self, code: str, keys: Path, message: str, *, hint: str | None = None, at_key: bool = False
    ) -> None:
        """Reports a problem with what stands under these keys."""
        self.document.add(code, (*self.path, *keys), message, hint=hint, at_key=at_key)

    def place(self) -> str:
        """Writes where it stands as `file:line`."""
        return self.document.place(self.path)


@dataclass(kw_only=True, slots=True)
class Entries:
    """All entries of the configuration."""

    queues: dict[str, Entry] = field(default_factory=dict)
    jobs: dict[str, Entry] = field(default_factory=dict)
    schedules: dict[str, Entry] = field(default_factory=dict)
    flows: dict[str, Entry] = field(default_factory=dict)
    #: Every file could be read, so a name that is not here is declared nowhere.
    is_complete: bool = True

    def sound(self, kind: str) -> Iterator[Entry]:
        """Gives the entries of a kind whose shape is right."""
        return (entry for entry in getattr(self, kind).values() if entry.is_sound)


def gather_entries(documents: Iterable[Document], *, is_complete: bool) -> Entries:
    """Gathers what the files declare, and reports names that are declared twice."""
    entries = Entries(is_complete=is_complete)
    for document in documents:
        for kind in KINDS:
            section = document.value.get(kind) if isinstance(document.value, dict) else None
            if isinstance(section, dict):
                for name, value in section.items():
                    _enter(entries, Entry(kind=kind, name=name, document=document, value=value))
    return entries


def _enter(entries: Entries, entry: Entry) -> None:
    known: dict[str, Entry] = getattr(entries, entry.kind)
    first = known.setdefault(entry.name, entry)
    if first is entry:
        return
    noun = entry.kind.removesuffix("s")
    hint = "rename or remove one of them"
    for one, other in ((first, entry), (entry, first)):
        message = f"{noun} {entry.name!r} is declared twice, also at {other.place()}"
        one.add("T202", (), message, hint=hint, at_key=True)
