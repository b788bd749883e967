"""The keys that bind a job to its queue's limits per key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from toril.declarations.expression import DATA_VARIABLES, Template, parse_template
from toril.declarations.queue import KeyLimit
from toril.errors import AddError, ExpressionError
from toril.runtime.codec import decode_json, encode_json

#: A longer key would make the names of Redis keys long.
_MAX_KEY_BYTES = 200


class LimitKeys:
    """The key expressions of one queue, ready to be asked for each of its jobs."""

    def __init__(self, queue: str, limits: Sequence[KeyLimit]) -> None:
        self._queue = queue
        self._templates: list[Template] = [
            parse_template(limit.key, DATA_VARIABLES) for limit in limits
        ]

    def __bool__(self) -> bool:
        return bool(self._templates)

    def compute(self, data: Any) -> str:
        """Gives the keys of a job with this data, as JSON: one a limit, null for none.

        Raises AddError for a key that cannot be computed or is too long.
        """
        return encode_json([self._compute(template, data) for template in self._templates]).decode()

    def binds(self, keys: str) -> bool:
        """Tells whether any of the keys that `compute` gave binds a job."""
        return any(key is not None for key in decode_json(keys.encode()))

    def _compute(self, template: Template, data: Any) -> str | None:
        try:
            value = template.render({"data": data})
        except ExpressionError as error:
            message = f"the key of a limit of queue {self._queue!r} cannot be computed: {error}"
            raise AddError(message) from error
        if value is None:
            return None
        text = value if isinstance(value, str) else encode_json(value).decode()
        if len(text.encode()) > _MAX_KEY_BYTES:
            raise AddError(
                f"the key of a limit of queue {self._queue!r} has {len(text.encode())} bytes, "
                f"expected at most {_MAX_KEY_BYTES}"
            )
        return text


def describe_limits(limits: Sequence[KeyLimit]) -> str:
    """Writes limits as scripts take them: JSON, `[[max_active, starts, their duration], ...]`."""
    rows: list[Mapping[str, Any] | list[int]] = [
        [
            limit.max_active or 0,
            limit.rate.count if limit.rate else 0,
            limit.rate.per_ms if limit.rate else 0,
        ]
        for limit in limits
    ]
    return encode_json(rows).decode() if rows else ""
