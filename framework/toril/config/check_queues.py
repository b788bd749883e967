"""Checks queues: what has no effect where another runtime works the queue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toril.config.check_expressions import read_template
from toril.config.check_jobs import FOR_RUNS
from toril.config.context import Context, is_external
from toril.config.document import Document, Path
from toril.declarations.expression import DATA_VARIABLES

#: What only a worker of ours would heed.
_FOR_WORKERS = ("concurrency", "lock", "stalled")


def check_queues(context: Context) -> None:
    """Warns of settings that nobody heeds."""
    _check_limits(context.top, ("defaults", "queue"), context.defaults("queue"))
    for queue in context.entries.sound("queues"):
        _check_limits(queue.document, queue.path, queue.value or {})
        if is_external(queue) and "limits" in queue.value:
            message = f"'limits' cannot be kept: another runtime works queue {queue.name!r}"
            hint = "use max_active and rate_limit, which Node's workers keep too"
            queue.add("T408", ("limits",), message, hint=hint, at_key=True)
        if not is_external(queue):
            continue
        job = queue.value.get("job", {})
        keys: list[tuple[str, ...]] = [(key,) for key in _FOR_WORKERS if key in queue.value]
        keys += [("job", key) for key in FOR_RUNS if key in job]
        for path in keys:
            message = f"{path[-1]!r} has no effect: another runtime works queue {queue.name!r}"
            queue.add("T212", path, message, hint="remove it", at_key=True)


def _check_limits(document: Document, path: Path, values: Mapping[str, Any]) -> None:
    """Checks limits per key: an expression that tells keys apart, and something that it limits."""
    for index, limit in enumerate(values.get("limits", ())):
        where = (*path, "limits", index)
        if "max_active" not in limit and "rate" not in limit:
            message = "the limit limits nothing"
            document.add("T105", where, message, hint="add max_active or rate")
        template = read_template(document, (*where, "key"), limit["key"], DATA_VARIABLES)
        if template is not None and not template.references:
            message = "all jobs would have one key: it names nothing of their data"
            hint = (
                "write an expression such as ${{ data.user_id }}, or use max_active and rate_limit"
            )
            document.add("T212", (*where, "key"), message, hint=hint)
