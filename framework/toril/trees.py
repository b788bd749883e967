"""Trees of jobs: what an application asks for, the jobs made of it, and what it is given back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from msgspec import structs

from toril.adding import AddOptions, Instant, JobBuilder, list_created
from toril.declarations.child_failure import ChildFailure, parse_child_failure
from toril.declarations.spans import Span
from toril.errors import AddError
from toril.runtime.calls.add import Added
from toril.runtime.chunks import CHUNK_BYTES
from toril.runtime.job import NewJob, ParentLink

#: What one script call takes: a tree is stored whole or not at all.
MAX_TREE_JOBS = 5_000

H = TypeVar("H")


class JobRef(Protocol):
    """What names a job: a handle, or the job that runs."""

    @property
    def id(self) -> str: ...

    @property
    def queue(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Tree:
    """A job with the jobs it waits for; these may wait for others in turn.

    `Tree("report", children=[Tree("rows", {"page": 1}), Tree("rows", {"page": 2})])`
    """

    job_type: str
    data: Any = field(default_factory=dict)
    children: Sequence[Tree] = ()
    #: What its failure means to the job that waits for it: `fail`, `ignore`, `continue`, `remove`
    #: or `wait`.
    on_failure: str = "fail"
    #: As for `Client.add`. A job with children is delayed once these have ended.
    id: str | None = None
    delay: Span | None = None
    at: Instant | None = None
    priority: int | None = None
    lifo: bool = False


@dataclass(frozen=True, slots=True)
class AddedTree(Generic[H]):
    """The handles of a tree's jobs."""

    job: H
    children: tuple[AddedTree[H], ...]

    def __iter__(self) -> Iterator[H]:
        """Goes through all of them, each before its children."""
        pending: list[AddedTree[H]] = [self]
        while pending:
            tree = pending.pop()
            yield tree.job
            pending += reversed(tree.children)


@dataclass(frozen=True, slots=True)
class _Node:
    """One job of a tree, and the number of the one that waits for it."""

    job: NewJob
    parent: int | None


class BuiltTree:
    """The jobs of a tree, each before its children."""

    def __init__(self, nodes: Sequence[_Node]) -> None:
        self._nodes = nodes
        self.jobs = [node.job for node in nodes]

    def list_created(self, added: Sequence[Added]) -> list[NewJob]:
        """Gives the jobs that were stored, rather than found."""
        return list_created(self.jobs, added)

    def give_handles(
        self, added: Sequence[Added], make: Callable[[NewJob, bool], H]
    ) -> AddedTree[H]:
        """Makes the handles of all jobs; `make` takes a job and whether it was created."""
        children: list[list[AddedTree[H]]] = [[] for _ in self._nodes]
        for number in range(len(self._nodes) - 1, -1, -1):
            node = self._nodes[number]
            handle = make(node.job, added[number].created)
            tree = AddedTree(handle, tuple(reversed(children[number])))
            if node.parent is None:
                return tree
            children[node.parent].append(tree)
        raise ValueError("expected a tree with a root")


def build_tree(
    builder: JobBuilder, tree: Tree, *, parent: JobRef | None = None, now_ms: int
) -> BuiltTree:
    """Checks and makes the jobs of a tree, to be added in one call.

    With a `parent` the root is a child of that job. Raises UnknownName or AddError.
    """
    nodes: list[_Node] = []
    seen: set[tuple[str, str]] = set()
    pending: list[tuple[Tree, int | None]] = [(tree, None)]
    size = 0
    while pending:
        one, number = pending.pop()
        waiting = parent if number is None else nodes[number].job
        job = _build_one(builder, one, waiting, now_ms)
        size += len(job.data)
        _check(job, seen, count=len(nodes) + 1, size=size)
        nodes.append(_Node(job, number))
        pending += [(child, len(nodes) - 1) for child in reversed(one.children)]
    return BuiltTree(nodes)


def _build_one(builder: JobBuilder, tree: Tree, parent: JobRef | None, now_ms: int) -> NewJob:
    options = AddOptions(
        id=tree.id, delay=tree.delay, at=tree.at, priority=tree.priority, lifo=tree.lifo
    )
    job = builder.build(tree.job_type, tree.data, options, now_ms=now_ms)
    return structs.replace(
        job, parent=_link(parent, tree.on_failure), waits_for_children=bool(tree.children)
    )


def _link(parent: JobRef | None, on_failure: str) -> ParentLink | None:
    try:
        policy = parse_child_failure(on_failure)
    except ValueError as error:
        raise AddError(str(error)) from error
    if parent is not None:
        return ParentLink(id=parent.id, queue=parent.queue, on_failure=policy)
    if policy is not ChildFailure.FAIL:
        raise AddError(f"on_failure is {on_failure!r} for a job that no other one waits for")
    return None


def _check(job: NewJob, seen: set[tuple[str, str]], *, count: int, size: int) -> None:
    if (job.queue, job.id) in seen:
        raise AddError(f"the tree holds job {job.id!r} of queue {job.queue!r} twice")
    seen.add((job.queue, job.id))
    if count > MAX_TREE_JOBS or size > CHUNK_BYTES:
        raise AddError(
            f"a tree may hold {MAX_TREE_JOBS} jobs with {CHUNK_BYTES} bytes of data in all; have "
            "its jobs add the rest with add_child"
        )
