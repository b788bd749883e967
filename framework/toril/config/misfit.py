"""One thing that does not fit its schema, and how values are shown in its sentence."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

_SHOWN = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Misfit:
    """One thing that does not fit its schema; `path` leads to it from the checked value."""

    path: tuple[str | int, ...]
    #: The code where the YAML itself is checked.
    code: str = "T103"
    #: The sentence with `{got}` for the value, and `{in}` or `{for}` before its place.
    template: str
    got: str = ""
    #: Leads to what the sentence speaks of: for an unknown key, to the map it stands in.
    place: tuple[str | int, ...] = ()
    hint: str | None = None
    at_key: bool = False

    @property
    def is_foreign(self) -> bool:
        """Whether the key cannot stand where it does."""
        return self.at_key and self.code in ("T104", "T111")

    def sentence(self, base: tuple[str | int, ...] = (), variable: str | None = None) -> str:
        """Writes the sentence; `base` leads to the checked value.

        A value that a variable gave is not shown, it may be secret.
        """
        got = f"the value of {variable}" if variable else self.got
        where = ".".join(str(step) for step in (*base, *self.place))
        words = {"{in}": f" in {where}", "{for}": f" for {where}", "{got}": got}
        sentence = self.template
        for mark, word in words.items():
            sentence = sentence.replace(mark, word if where or mark == "{got}" else "")
        return sentence


def show_value(value: Any) -> str:
    """Writes a value as YAML's readers know it, shortened."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a map" if value else "an empty map"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    if isinstance(value, str):
        return repr(value if len(value) <= _SHOWN else value[:_SHOWN] + "…")
    return json.dumps(value)


def show_literal(value: Any) -> str:
    """Writes a value that is wanted: unlike one that is there, a list or map is shown."""
    if not isinstance(value, list | dict):
        return show_value(value)
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
