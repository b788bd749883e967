"""`unique` and `order` as jobs of a pipeline have them, from both clients."""

from __future__ import annotations

import asyncio

import pytest

from toril.declarations.job_type import Unique
from toril.errors import AddError
from toril.trees import Tree


async def nothing(job):
    return job.data


def by(expression, **more):
    return Unique(by=expression, **more)


async def test_a_second_job_of_the_same_value_is_left_out_until_the_first_has_finished(
    rig, make_client
):
    rig.job(nothing, unique=by("${{ data.user }}"))
    client = make_client()

    first = await client.add("sync", {"user": "ada", "n": 1})
    second = await client.add("sync", {"user": "ada", "n": 2})
    other = await client.add("sync", {"user": "bob"})
    rig.start()
    await rig.reaches(first.id, "completed")
    third = await client.add("sync", {"user": "ada", "n": 3})

    assert (second.id, second.created) == (first.id, False)
    assert (other.created, third.created) == (True, True)


async def test_jobs_without_an_expression_are_the_same_by_all_of_their_data(rig, make_client):
    rig.job(nothing, unique=Unique())
    client = make_client()

    added = await client.add_many("sync", [{"a": 1, "b": [2]}, {"b": [2], "a": 1}, {"a": 1}])

    assert [handle.created for handle in added] == [True, False, True]
    assert added[1].id == added[0].id


async def test_jobs_of_different_types_keep_each_other_out_of_nothing(rig, make_client):
    rig.job(nothing, unique=by("${{ data.user }}"))
    rig.job(nothing, "other", unique=by("${{ data.user }}"))
    client = make_client()

    added = [await client.add(name, {"user": "ada"}) for name in ("sync", "other")]

    assert [handle.created for handle in added] == [True, True]


async def test_for_keeps_others_out_whether_the_first_has_finished_or_not(rig, make_client):
    rig.job(nothing, unique=by("${{ data.user }}", for_ms=60_000))
    client = make_client()
    first = await client.add("sync", {"user": "ada"})
    rig.start()
    await rig.reaches(first.id, "completed")

    second = await client.add("sync", {"user": "ada"})

    assert (second.id, second.created) == (first.id, False)
    ttl = await rig.redis.pttl(rig.keys().deduplication("sync/ada"))
    assert 50_000 < ttl <= 60_000


async def test_replace_takes_the_place_of_a_delayed_one(rig, make_client):
    rig.job(nothing, unique=by("${{ data.user }}", on_conflict="replace"))
    client = make_client()

    first = await client.add("sync", {"user": "ada", "n": 1}, delay="1h")
    second = await client.add("sync", {"user": "ada", "n": 2}, delay="1h")

    assert second.created
    assert not await rig.redis.exists(rig.keys().job(first.id))
    assert (await rig.stored(second.id)).data["n"] == 2


async def test_keep_last_runs_the_last_that_came_while_one_ran(rig, make_client, wait_until):
    begun, goes_on, seen = asyncio.Event(), asyncio.Event(), []

    async def sync(job):
        seen.append(job.data["n"])
        begun.set()
        await goes_on.wait()

    rig.job(sync, unique=by("${{ data.user }}", on_conflict="keep_last"))
    client = make_client()
    first = await client.add("sync", {"user": "ada", "n": 1})
    rig.start()
    await begun.wait()

    for n in (2, 3):
        assert not (await client.add("sync", {"user": "ada", "n": n})).created
    goes_on.set()

    await rig.reaches(first.id, "completed")
    await wait_until(lambda: len(seen) == 2, within="4s")
    assert seen == [1, 3]


@pytest.mark.parametrize("value", ["ä" * 300, "", 0, False, ["a"], {"b": 1, "a": 2**50}])
async def test_any_value_but_null_can_be_the_same(rig, make_client, value):
    rig.job(nothing, unique=by("${{ data.key }}"))
    client = make_client()

    added = [await client.add("sync", {"key": value}) for _ in range(2)]

    assert [handle.created for handle in added] == [True, False]


async def test_null_is_like_no_other(rig, make_client):
    rig.job(nothing, unique=by("${{ data.key }}"))
    client = make_client()

    added = [await client.add("sync", {"key": None}) for _ in range(2)]

    assert [handle.created for handle in added] == [True, True]


async def test_a_value_that_cannot_be_computed_refuses_the_job(rig, make_client):
    rig.job(nothing, unique=by("${{ data.user }}"))
    client = make_client()

    with pytest.raises(AddError) as caught:
        await client.add("sync", {"usr": "ada"})

    assert str(caught.value) == (
        "unique.by of job 'sync' cannot be computed: "
        "${{ data.user }} failed: data has no member 'user'"
    )


async def test_a_unique_job_cannot_be_a_child(rig, make_client):
    rig.job(nothing, unique=Unique())
    rig.job(nothing, "parent")
    client = make_client()

    with pytest.raises(AddError, match="where BullMQ allows no deduplication"):
        await client.add_tree(Tree("parent", {}, children=(Tree("sync", {}),)))


async def test_lifo_jobs_go_ahead_of_those_that_wait(rig, make_client):
    ran = []

    async def sync(job):
        ran.append(job.data)

    rig.queue("orders", concurrency=1)
    rig.job(sync, order="lifo")
    client = make_client()
    added = [await client.add("sync", n) for n in (1, 2, 3)]
    rig.start()

    for handle in added:
        await rig.reaches(handle.id, "completed")
    assert ran == [3, 2, 1]


async def test_lifo_says_nothing_of_jobs_with_a_priority_or_a_delay(rig, make_client):
    rig.job(nothing, order="lifo")
    client = make_client()

    urgent = await client.add("sync", 1, priority=1)
    later = await client.add("sync", 2, delay="1h")

    assert "lifo" not in (await rig.stored(urgent.id)).opts
    assert "lifo" not in (await rig.stored(later.id)).opts
