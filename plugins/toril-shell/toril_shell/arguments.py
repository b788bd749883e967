"""Fills in the `{data.name}` of arguments; each stays one argument."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any

from toril import Unrecoverable

_PLACE = re.compile(r"\{data\.([A-Za-z_][A-Za-z0-9_]*)\}")


def find_names(argument: str) -> list[str]:
    """Gives which of the data an argument takes."""
    return _PLACE.findall(argument)


def fill_arguments(command: Sequence[str], data: Any) -> list[str]:
    """Fills in all arguments; raises Unrecoverable for data that could be taken for an option."""
    filled: list[str] = []
    for argument in command:
        text = _PLACE.sub(lambda found: _read(found[1], data), argument)
        is_option = text.startswith("-") and not argument.startswith("-")
        if is_option and "--" not in command[: len(filled)]:
            raise Unrecoverable(
                f"the command would take {text!r} for an option; put '--' before {argument!r}"
            )
        filled.append(text)
    return filled


def _read(name: str, data: Any) -> str:
    if not isinstance(data, dict) or name not in data:
        raise Unrecoverable(f"the command needs {name!r}, which the job's data lacks")
    value = data[name]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Unrecoverable(f"the command needs text or a number as {name!r}, got {value!r}")
    if "\0" in str(value):
        raise Unrecoverable(f"the command cannot take the NUL character in {name!r}")
    try:
        os.fsencode(str(value))
    except UnicodeEncodeError:
        raise Unrecoverable(f"the command cannot take {value!r} as {name!r}") from None
    return str(value)
