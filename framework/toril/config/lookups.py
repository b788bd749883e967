"""Looks declared names up and words what is wrong when nothing is declared under one."""

from __future__ import annotations

from toril.config.context import Context
from toril.config.document import Path
from toril.config.entries import Entry
from toril.config.suggestions import list_known, suggest


def find_entry(context: Context, kind: str, entry: Entry, keys: Path, name: str) -> Entry | None:
    """Gives what is declared under a name, or reports that nothing is.

    While a file could not be read nothing is reported: the name may stand there.
    """
    declared: dict[str, Entry] = getattr(context.entries, kind)
    found = declared.get(name)
    if found is None and context.entries.is_complete:
        noun = kind.removesuffix("s")
        hint = suggest(name, declared) or list_known(noun, declared)
        entry.add("T201", keys, f"no {noun} {name!r} is declared", hint=hint)
    return found
