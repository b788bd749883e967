"""Trees of jobs before anything is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from toril.adding import JobBuilder
from toril.declarations.child_failure import ChildFailure
from toril.declarations.job_type import JobType
from toril.declarations.pipeline import Pipeline
from toril.declarations.queue import Queue
from toril.errors import AddError
from toril.runtime.calls.add import Added, add_jobs
from toril.runtime.job import NewJob, ParentLink
from toril.trees import AddedTree, Tree, build_tree

NOW_MS = 1_790_000_000_000

PIPELINE = Pipeline(
    root=Path("/nowhere"),
    project="test",
    queues={name: Queue(name=name) for name in ("orders", "mails")},
    jobs={
        "sum": JobType(name="sum", queue="orders"),
        "mail": JobType(name="mail", queue="mails", priority=2),
    },
)


class Ref:
    """A job that is there already."""

    def __init__(self, queue: str, job_id: str) -> None:
        self.queue = queue
        self.id = job_id


def build(tree: Tree, parent: Ref | None = None) -> list[NewJob]:
    return build_tree(JobBuilder(PIPELINE), tree, parent=parent, now_ms=NOW_MS).jobs


def test_jobs_stand_before_their_children() -> None:
    tree = Tree(
        "sum",
        id="top",
        children=[
            Tree("sum", id="left", children=[Tree("mail", [1], id="leaf", on_failure="ignore")]),
            Tree("mail", id="right", priority=7, on_failure="continue"),
        ],
    )

    top, left, leaf, right = build(tree)

    assert [job.id for job in (top, left, leaf, right)] == ["top", "left", "leaf", "right"]
    assert [job.waits_for_children for job in (top, left, leaf, right)] == [
        True,
        True,
        False,
        False,
    ]
    assert top.parent is None
    assert left.parent == ParentLink(id="top", queue="orders")
    assert leaf.parent == ParentLink(id="left", queue="orders", on_failure=ChildFailure.IGNORE)
    assert right.parent == ParentLink(id="top", queue="orders", on_failure=ChildFailure.CONTINUE)
    assert (leaf.queue, leaf.data, leaf.priority, right.priority) == ("mails", b"[1]", 2, 7)


def test_a_root_may_be_a_child_itself() -> None:
    [job] = build(Tree("mail"), Ref("orders", "there"))

    assert job.parent == ParentLink(id="there", queue="orders")
    assert job.data == b"{}"


def test_a_tree_may_be_deep() -> None:
    tree = Tree("sum")
    for _ in range(3_000):
        tree = Tree("sum", children=[tree])

    jobs = build(tree)

    assert len(jobs) == 3_001


def test_handles_keep_the_trees_form() -> None:
    wish = Tree("sum", id="a", children=[Tree("sum", id="b", children=[Tree("mail", id="c")]),
                                         Tree("mail", id="d")])  # fmt: skip
    built = build_tree(JobBuilder(PIPELINE), wish, now_ms=NOW_MS)
    added = [Added("a", True), Added("b", False), Added("c", True), Added("d", True)]

    handles = built.give_handles(added, lambda job, created: (job.id, created))

    assert handles.job == ("a", True)
    assert [child.job for child in handles.children] == [("b", False), ("d", True)]
    assert list(handles) == [("a", True), ("b", False), ("c", True), ("d", True)]
    assert [job.id for job in built.list_created(added)] == ["a", "c", "d"]
    assert isinstance(handles.children[0].children[0], AddedTree)


def test_too_much_data_for_one_call_is_refused() -> None:
    pages = [Tree("mail", "x" * 900_000) for _ in range(10)]

    with pytest.raises(AddError, match="8388608 bytes of data in all"):
        build(Tree("sum", children=pages))


@pytest.mark.parametrize("policy", ChildFailure)
def test_each_answer_to_a_failure_has_bullmqs_flag(policy: ChildFailure) -> None:
    [job] = build(Tree("mail", id="c", on_failure=policy.value), Ref("orders", "p"))
    flags = {"fail": b"fpof", "ignore": b"idof", "continue": b"cpof", "remove": b"rdof"}

    sent = add_jobs("bull", [job], now_ms=NOW_MS).args[1]

    assert isinstance(sent, bytes)
    found = {flag for flag in flags.values() if sent.count(b'"' + flag + b'":true') == 2}
    assert found == ({flags[policy]} if policy in flags else set())
