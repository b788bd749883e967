"""Jobs that wait for children: added as a tree, or by the job that runs; async and in threads."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from toril import Tree, WaitForChildren
from toril.client import Client
from toril.declarations.job_type import Retry
from toril.errors import AddError, JobFailed
from toril.runtime.calls.children import ChildCounts
from toril.runtime.connection import connect_sync
from toril.runtime.sync_sender import SyncSender
from toril.sync_client import SyncClient


def declare(rig: Any, **more: Any) -> None:
    """`page` doubles its number, `broken` fails, `total` adds up the results it is given."""

    async def page(job: Any) -> int:
        return job.data["n"] * 2

    async def broken(job: Any) -> None:
        raise ValueError("no such page")

    async def total(job: Any) -> Any:
        return [sum(job.results.values()), sorted((await job.ignored_failures()).items())]

    rig.job(page, "page", queue="mails")
    rig.job(broken, "broken", **more)
    rig.job(total, "total")


def start(rig: Any) -> None:
    """Starts workers whose jobs have clients to add others."""
    sync = SyncClient(rig.pipeline, sender=SyncSender(connect_sync(rig.url)))
    client = Client(rig.pipeline, sender=rig.sender)
    rig.start(client=client, thread_client=sync)
    rig.closing.append(sync.sender.redis.close)


@pytest.fixture(autouse=True)
def closing(rig: Any) -> Any:
    rig.closing = []
    yield
    for close in rig.closing:
        close()


async def test_a_tree_runs_from_its_leaves_to_its_root(rig):
    declare(rig)
    client = Client(rig.pipeline, sender=rig.sender)
    rig.start()

    tree = await client.add_tree(
        Tree("total", children=[Tree("page", {"n": 1}), Tree("page", {"n": 2}, id="second")])
    )

    assert await tree.job.result("4s") == [6, []]
    assert tree.children[1].job.id == "second"
    assert [(job.queue, job.created) for job in tree] == [
        ("orders", True),
        ("mails", True),
        ("mails", True),
    ]
    found = {child.id: child.result for child in await tree.job.children()}
    assert found == {tree.children[0].job.id: 2, "second": 4}


async def test_children_of_one_id_in_two_queues_are_told_apart(rig):
    declare(rig)
    rig.job(lambda job: sorted(job.results.items()), "names", run_in="async")
    rig.job(lambda job: 7, "here", run_in="async")
    client = Client(rig.pipeline, sender=rig.sender)
    rig.start()

    tree = await client.add_tree(
        Tree(
            "names",
            children=[Tree("page", {"n": 1}, id="a"), Tree("here", id="a"), Tree("here", id="b")],
        )
    )

    assert await tree.job.result("4s") == [["b", 7], ["mails:a", 2], ["orders:a", 7]]


async def test_a_tree_that_is_added_again_adds_nothing(rig):
    declare(rig)
    client = Client(rig.pipeline, sender=rig.sender)
    wish = Tree("total", id="t", children=[Tree("page", {"n": 1}, id="p")])

    first = await client.add_tree(wish)
    second = await client.add_tree(wish)

    assert [job.created for job in first] == [True, True]
    assert [job.created for job in second] == [False, False]
    assert await first.job.count_children() == ChildCounts(
        pending=1, completed=0, ignored=0, failed=0
    )


@pytest.mark.parametrize(
    ("on_failure", "result"),
    [
        ("ignore", [2, [["bad", "no such page"]]]),
        ("continue", [2, [["bad", "no such page"]]]),
        ("remove", [2, []]),
    ],
)
async def test_a_parent_goes_on_without_a_failed_child(rig, on_failure, result):
    declare(rig)
    client = Client(rig.pipeline, sender=rig.sender)
    good = await client.add_tree(
        Tree("total", id="t", children=[Tree("page", {"n": 1}, id="good")])
    )
    await client.add_child(good.job, "broken", id="bad", on_failure=on_failure)
    rig.start("mails")
    await rig.reaches("good", "completed", queue="mails")
    rig.start("orders")

    assert await good.job.result("4s") == result


async def test_a_parent_fails_with_its_child(rig):
    declare(rig)
    client = Client(rig.pipeline, sender=rig.sender)
    tree = await client.add_tree(
        Tree("total", children=[Tree("broken", id="bad"), Tree("page", {"n": 1}, delay="1h")])
    )
    rig.start()

    with pytest.raises(JobFailed) as caught:
        await tree.job.result("4s")

    assert caught.value.reason == f"child {rig.keys().job('bad')} failed"
    assert await tree.job.count_children() == ChildCounts(
        pending=1, completed=0, ignored=0, failed=1
    )


async def test_a_parent_waits_until_a_failed_child_is_retried(rig):
    tries = []

    async def second_time(job: Any) -> int:
        tries.append(job.id)
        if len(tries) == 1:
            raise ValueError("not yet")
        return 5

    declare(rig)
    rig.job(second_time, "second-time")
    client = Client(rig.pipeline, sender=rig.sender)
    tree = await client.add_tree(Tree("total", children=[Tree("second-time", on_failure="wait")]))
    rig.start()
    await rig.reaches(tree.children[0].job.id, "failed")
    assert await tree.job.state() == "waiting-children"

    await tree.children[0].job.retry()

    assert await tree.job.result("4s") == [5, []]


@pytest.mark.parametrize("runs_in", ["async", "thread"])
async def test_a_job_adds_children_and_goes_on_with_their_results(rig, runs_in):
    async def pages(job: Any) -> Any:
        if not job.results:
            for n in (1, 2, 3):
                await job.add_child("page", {"n": n}, id=f"{job.id}-{n}")
            raise WaitForChildren
        return [job.results, job.attempt, job.fence]

    def pages_in_thread(job: Any) -> Any:
        if not job.results:
            job.add_tree(Tree("page", {"n": 1}, id=f"{job.id}-1"))
            for n in (2, 3):
                job.add_child("page", {"n": n}, id=f"{job.id}-{n}", on_failure="ignore")
            raise WaitForChildren
        return [job.results, job.attempt, job.fence + len(job.ignored_failures())]

    declare(rig)
    rig.job(pages if runs_in == "async" else pages_in_thread, "pages")
    start(rig)

    job_id = await rig.add(name="pages")

    done = await rig.reaches(job_id, "completed")
    results = {f"{job_id}-{n}": 2 * n for n in (1, 2, 3)}
    assert done.returnvalue == [results, 1, 2]
    assert done.attempts_made == 1


async def test_children_that_are_done_before_their_parent_waits_are_not_missed(rig):
    async def pages(job: Any) -> Any:
        if not job.results:
            child = await job.add_child("page", {"n": 1})
            await child.result("4s")
            raise WaitForChildren
        return list(job.results.values())

    declare(rig)
    rig.job(pages, "pages")
    start(rig)

    job_id = await rig.add(name="pages")

    assert (await rig.reaches(job_id, "completed")).returnvalue == [2]
    assert rig.said("job_waits_for_children")


async def test_a_job_that_fails_by_a_child_it_added_says_why(rig):
    async def pages(job: Any) -> Any:
        child = await job.add_child("broken")
        with pytest.raises(JobFailed):
            await child.result("4s")
        raise WaitForChildren

    declare(rig)
    rig.job(pages, "pages", retry=Retry(attempts=3))
    start(rig)

    job_id = await rig.add(name="pages")

    job = await rig.reaches(job_id, "failed")
    assert job.failed_reason.startswith(f"child {rig.keys().base}")
    assert job.failed_reason.endswith(" failed: no such page")


async def test_waiting_for_children_without_any_fails_the_job(rig):
    async def pages(job: Any) -> None:
        raise WaitForChildren

    rig.job(pages, "pages")
    rig.start()

    job_id = await rig.add(name="pages")

    job = await rig.reaches(job_id, "failed")
    assert job.failed_reason == (
        "the job waits for children and has none; add them before raising WaitForChildren"
    )
    assert job.attempts_started == 2


async def test_a_job_that_returns_while_children_are_pending_is_told_what_to_do(rig):
    async def pages(job: Any) -> None:
        await job.add_child("page", {"n": 1}, delay="1h")

    declare(rig)
    rig.job(pages, "pages")
    start(rig)

    job_id = await rig.add(name="pages")

    assert (await rig.reaches(job_id, "failed")).failed_reason == (
        "the job has children that are not done, so it cannot complete; "
        "raise WaitForChildren to run again when they are"
    )


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        (
            Tree("total", children=[Tree("page", {"n": 1}, on_failure="panic")]),
            "expected on_failure to be one of fail, ignore, continue, remove, wait; got 'panic'",
        ),
        (
            Tree("total", on_failure="ignore"),
            "on_failure is 'ignore' for a job that no other one waits for",
        ),
        (
            Tree("page", {"n": 1}, id="a", children=[Tree("page", {"n": 2}, id="a")]),
            "the tree holds job 'a' of queue 'mails' twice",
        ),
        (
            Tree("total", children=[Tree("page", {"n": 1})] * 5_000),
            "a tree may hold 5000 jobs with 8388608 bytes of data in all; have its jobs add the "
            "rest with add_child",
        ),
    ],
)
async def test_a_tree_that_cannot_be_stored_is_refused(rig, wish, sentence):
    declare(rig)
    client = Client(rig.pipeline, sender=rig.sender)

    with pytest.raises(AddError) as caught:
        await client.add_tree(wish)

    assert str(caught.value) == sentence
    assert await rig.redis.keys(f"{rig.keys().prefix}:*") == []


async def test_a_child_of_no_job_or_of_a_tick_is_refused(rig):
    declare(rig)
    client = Client(rig.pipeline, sender=rig.sender)

    with pytest.raises(AddError, match="its parent 'gone' does not exist"):
        await client.add_child(client.job("orders", "gone"), "page", {"n": 1})
    with pytest.raises(AddError, match="cannot be a child of 'repeat:daily:1', whose id holds ':'"):
        await client.add_child(client.job("orders", "repeat:daily:1"), "page", {"n": 1})


async def test_the_blocking_client_adds_trees_and_reads_them(rig):
    declare(rig)
    rig.start()
    redis = connect_sync(rig.url)
    rig.closing.append(redis.close)
    client = SyncClient(rig.pipeline, sender=SyncSender(redis))
    wish = Tree("total", children=[Tree("page", {"n": 1}), Tree("page", {"n": 4})])

    tree = await asyncio.to_thread(client.add_tree, wish)

    assert await asyncio.to_thread(tree.job.result, "4s") == [10, []]
    children = await asyncio.to_thread(tree.job.children)
    assert sorted(child.result for child in children) == [2, 8]
    counts = await asyncio.to_thread(partial(client.job("orders", tree.job.id).count_children))
    assert counts.completed == 2
