"""The client that commands work with; imported by those that need Redis only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from toril.cli.options import find_directory
from toril.declarations.names import find_named
from toril.declarations.queue import Queue
from toril.sync_client import SyncClient


@contextmanager
def open_client() -> Iterator[SyncClient]:
    """Opens a client on the pipeline that the command line speaks of."""
    with SyncClient.from_config(find_directory()) as client:
        yield client


def find_queue(client: SyncClient, name: str) -> Queue:
    """Gives a declared queue; raises UnknownName."""
    return find_named("queue", name, client.pipeline.queues)
