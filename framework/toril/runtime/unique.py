"""What makes two jobs of a type the same, as BullMQ's deduplication knows it."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from toril.declarations.expression import DATA_VARIABLES, parse_template
from toril.declarations.job_type import Unique
from toril.errors import AddError, ExpressionError
from toril.runtime.codec import encode_json

#: A longer value is told by its digest: the id is part of a key, and of every event.
_MAX_SHOWN = 200


class UniqueRule:
    """The declared `unique` of a job type, ready to be asked for each of its jobs."""

    def __init__(self, job_type: str, unique: Unique) -> None:
        self._job_type = job_type
        self._template = None if unique.by is None else parse_template(unique.by, DATA_VARIABLES)
        self._opts: dict[str, Any] = {}
        if unique.for_ms is not None:
            self._opts["ttl"] = unique.for_ms
        if unique.on_conflict != "drop":
            flag = "replace" if unique.on_conflict == "replace" else "keepLastIfActive"
            self._opts[flag] = True

    def deduplicate(self, data: Any) -> dict[str, Any] | None:
        """Gives BullMQ's `deduplication` of a job with this data; None if it is like no other.

        Raises AddError if the value cannot be computed.
        """
        value = data
        if self._template is not None:
            try:
                value = self._template.render({"data": data})
            except ExpressionError as error:
                message = f"unique.by of job {self._job_type!r} cannot be computed: {error}"
                raise AddError(message) from error
            if value is None:
                return None
        return {"id": f"{self._job_type}/{_write(value)}", **self._opts}


def _write(value: Any) -> str:
    """Writes equal values alike; the number 7 as the text "7", which is what Node would write."""
    text = value if isinstance(value, str) else encode_json(_sort(value), "unique").decode()
    return text if len(text.encode()) <= _MAX_SHOWN else sha256(text.encode()).hexdigest()


def _sort(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _sort(value[key]) for key in sorted(value)}
    return [_sort(item) for item in value] if isinstance(value, list | tuple) else value
