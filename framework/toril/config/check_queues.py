"""Checks queues: what has no effect where another runtime works the queue."""

from __future__ import annotations

from toril.config.check_jobs import FOR_RUNS
from toril.config.context import Context, is_external

#: What only a worker of ours would heed.
_FOR_WORKERS = ("concurrency", "lock", "stalled")


def check_queues(context: Context) -> None:
    """Warns of settings that nobody heeds."""
    for queue in context.entries.sound("queues"):
        if not is_external(queue):
            continue
        job = queue.value.get("job", {})
        keys: list[tuple[str, ...]] = [(key,) for key in _FOR_WORKERS if key in queue.value]
        keys += [("job", key) for key in FOR_RUNS if key in job]
        for path in keys:
            message = f"{path[-1]!r} has no effect: another runtime works queue {queue.name!r}"
            queue.add("T212", path, message, hint="remove it", at_key=True)
