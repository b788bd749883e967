"""`toril status`: how many jobs each queue holds, and who works it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from toril.cli.connect import open_client
from toril.cli.options import directory_option, format_option
from toril.cli.output import print_json, print_table
from toril.runtime.calls.queues import count_workers, read_counts_of
from toril.sync_client import SyncClient

#: Shown only when some queue has such jobs, so that the table fits a narrow terminal.
RARE_STATES = ("prioritized", "waiting_children")
STATES = (
    "waiting",
    "prioritized",
    "waiting_children",
    "delayed",
    "active",
    "completed",
    "failed",
)


@click.command(short_help="Show how many jobs each queue holds.")
@directory_option
@format_option
def status(as_json: bool) -> None:
    """Shows how many jobs each queue holds by state, and how many workers it has.

    Workers are counted by the names of their connections, those of BullMQ for Node too.
    """
    with open_client() as client:
        queues = read_status(client)
    if as_json:
        print_json({"queues": queues})
    else:
        print_status(queues)


def read_status(client: SyncClient) -> dict[str, dict[str, Any]]:
    """Reads counts, pause and workers of every declared queue, by name."""
    prefix, names = client.pipeline.redis.prefix, list(client.pipeline.queues)
    if not names:
        return {}
    counts = client.send(read_counts_of(prefix, names))
    workers = client.send(count_workers(prefix, names))
    return {name: {**asdict(counts[name]), "workers": workers[name]} for name in names}


def print_status(queues: dict[str, dict[str, Any]]) -> None:
    """Prints the counts as a table."""
    states = [
        state
        for state in STATES
        if state not in RARE_STATES or any(counts[state] for counts in queues.values())
    ]
    rows = [
        [
            f"{name} (paused)" if counts["paused"] else name,
            *(counts[state] for state in states),
            counts["workers"],
        ]
        for name, counts in queues.items()
    ]
    heads = [state.replace("_", "-") for state in states]
    print_table(["queue", *heads, "workers"], rows, empty="no queue is declared")
