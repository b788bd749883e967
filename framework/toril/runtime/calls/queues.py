"""Calls on whole queues: making them known, pausing, counting jobs and workers."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from toril.runtime.call import Call
from toril.runtime.codec import to_integer
from toril.runtime.keys import QueueKeys
from toril.runtime.packing import unpack


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """How many jobs of a queue are in each state."""

    waiting: int = 0
    prioritized: int = 0
    delayed: int = 0
    active: int = 0
    waiting_children: int = 0
    completed: int = 0
    failed: int = 0
    paused: bool = False


def open_queues(prefix: str, queues: Sequence[str]) -> Call[None]:
    """Makes queues visible to BullMQ's tools before their first job; may come again."""
    keys = tuple(QueueKeys(prefix, queue).meta for queue in queues)
    return Call("open_queue", keys, (f"toril:{version('toril')}",), lambda _: None)


def open_queue(keys: QueueKeys) -> Call[None]:
    """Makes one queue visible to BullMQ's tools."""
    return open_queues(keys.prefix, [keys.queue])


def pause(keys: QueueKeys) -> Call[bool]:
    """Stops claiming from the queue, everywhere; gives False if it was paused already."""
    return Call("pause", (keys.base,), (), bool)


def resume(keys: QueueKeys) -> Call[bool]:
    """Lets the queue be claimed from again; gives False if it was not paused.

    Jobs that BullMQ v5 moved to its `paused` list come back too, ahead of the others.
    """
    return Call("resume", (keys.base,), (), bool)


def read_counts(keys: QueueKeys) -> Call[Counts]:
    """Counts the queue's jobs by state, at one instant."""
    return Call("read_counts", (keys.base,), (), lambda reply: _to_counts(reply[0]))


def read_counts_of(prefix: str, queues: Sequence[str]) -> Call[dict[str, Counts]]:
    """Counts the jobs of several queues by state, at one instant."""

    def parse(reply: list[list[int]]) -> dict[str, Counts]:
        return {queue: _to_counts(row) for queue, row in zip(queues, reply, strict=True)}

    keys = tuple(QueueKeys(prefix, queue).base for queue in queues)
    return Call("read_counts", keys, (), parse)


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundWork:
    """What there is to do in several queues."""

    #: Queues where jobs wait that can be claimed.
    ready: list[str]
    #: When the next delayed job of a queue is due; of those that have any.
    due_ms: dict[str, int]


def find_work(queues: Sequence[QueueKeys]) -> Call[FoundWork]:
    """Finds the queues from which something can be claimed, now or later; claims nothing."""

    def parse(reply: bytes) -> FoundWork:
        ready, due = unpack(reply)
        return FoundWork(
            ready=[queues[number - 1].queue for number in ready],
            due_ms={queues[number - 1].queue: to_integer(due_ms) for number, due_ms in due},
        )

    return Call("find_work", tuple(keys.base for keys in queues), (), parse)


def count_delayed(keys: QueueKeys, *, before_ms: int) -> Call[int]:
    """Counts the delayed jobs that are due before an instant."""
    return Call(None, (), ("ZCOUNT", keys.delayed, "-inf", before_ms * 4096 - 1), int)


def count_priorities(keys: QueueKeys, priorities: Sequence[int]) -> Call[dict[int, int]]:
    """Counts the jobs that are ready to run by priority; 0 stands for those without one."""

    def parse(reply: list[int]) -> dict[int, int]:
        return dict(zip(priorities, reply, strict=True))

    return Call("count_priorities", (keys.base,), tuple(priorities), parse)


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerConnection:
    """A worker of a queue, as its connection shows."""

    #: None: it has no name.
    name: str | None
    #: Host and port, or the socket; '' where the server does not tell.
    address: str
    #: For how long it has been connected.
    age_ms: int


def list_workers(keys: QueueKeys) -> Call[list[WorkerConnection]]:
    """Lists the workers of a queue, Node's too, by the names of their connections."""

    def parse(reply: Any) -> list[WorkerConnection]:
        wanted = name_of_worker(keys.prefix, keys.queue)
        found = []
        for fields in map(_read_client, _read_lines(reply)):
            name = fields.get("name", "")
            if _count_names([name], wanted):
                found.append(
                    WorkerConnection(
                        name=name.removeprefix(wanted).removeprefix(":w:") or None,
                        address=fields.get("addr", ""),
                        age_ms=1000 * int(fields.get("age", 0)),
                    )
                )
        return found

    return Call(None, (), ("CLIENT", "LIST"), parse)


def count_workers(prefix: str, queues: Sequence[str]) -> Call[dict[str, int]]:
    """Counts the workers of each queue, Node's too, by the names of their connections."""

    def parse(reply: bytes | str) -> dict[str, int]:
        names = [_read_client(line).get("name", "") for line in _read_lines(reply)]
        return {queue: _count_names(names, name_of_worker(prefix, queue)) for queue in queues}

    return Call(None, (), ("CLIENT", "LIST"), parse)


def name_of_worker(prefix: str, queue: str, worker: str | None = None) -> str:
    """Gives the connection name by which BullMQ's tools find a queue's workers."""
    name = f"{prefix}:{b64encode(queue.encode()).decode()}"
    return f"{name}:w:{worker}" if worker else name


def _read_lines(reply: bytes | str) -> list[str]:
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    return text.splitlines()


def _read_client(line: str) -> dict[str, str]:
    fields = (field.partition("=") for field in line.split(" "))
    return {name: value for name, _, value in fields}


def _count_names(names: Sequence[str], worker: str) -> int:
    return sum(name == worker or name.startswith(f"{worker}:w:") for name in names)


def _to_counts(row: list[Any]) -> Counts:
    *counts, paused = (int(number) for number in row)
    waiting, prioritized, delayed, active, waiting_children, completed, failed = counts
    return Counts(
        waiting=waiting,
        prioritized=prioritized,
        delayed=delayed,
        active=active,
        waiting_children=waiting_children,
        completed=completed,
        failed=failed,
        paused=bool(paused),
    )
