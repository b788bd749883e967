"""Steps with `foreach` and `matrix`, on real workers."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from toril.client import Client
from toril.declarations.child_failure import ChildFailure
from toril.declarations.flow import Flow, Step
from toril.declarations.job_type import Keep, KeepRule
from toril.errors import JobFailed
from toril.runtime.calls.jobs import remove_job
from toril.runtime.fsck import check_queue
from toril.runtime.keys import QueueKeys


class Flows:
    """Declares flows of steps that give back their data, starts them, remembers what ran."""

    def __init__(self, rig):
        self.rig, self.ran, self.failing = rig, [], set()

        async def work(job):
            self.ran.append(job.id)
            if job.id in self.failing:
                raise ValueError("no")
            return job.data

        rig.job(work, "work")
        rig.job(work, "gone", keep=Keep(completed=KeepRule(count=0)))

    async def start(self, *steps, inputs=None, run_id="r1"):
        flow = Flow(name="daily", steps={one.name: one for one in steps})
        self.rig.pipeline = replace(self.rig.pipeline, flows={"daily": flow})
        client = Client(self.rig.pipeline, sender=self.rig.sender, clock=self.rig.clock)
        run = await client.start_flow("daily", inputs or {}, run_id=run_id)
        self.rig.start()
        return run

    async def ended(self, run):
        async with asyncio.timeout(5):
            while {"waiting", "active"} & set(states(view := await run.state()).values()):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        return view

    async def faults(self):
        return await check_queue(self.rig.sender, self.rig.keys())


@pytest.fixture
def flows(rig):
    return Flows(rig)


def step(name, *needs, job="work", **fields):
    return Step(name=name, job=job, needs=needs, **fields)


def states(view):
    return {name: one.state for name, one in view.steps.items()}


EACH = step("each", foreach="${{ inputs.names }}", data={"name": "${{ item }}"})
SUM = step("sum", "each", data={"all": "${{ needs.each.result }}"})
NAMES = {"names": ["a", "b", "c"]}


async def test_a_step_is_a_job_for_each_item_and_gives_the_list_of_their_results(flows):
    run = await flows.start(EACH, SUM, inputs=NAMES)

    view = await run.wait("5s")

    assert view.state == "completed"
    assert view.steps["each"].result == [{"name": "a"}, {"name": "b"}, {"name": "c"}]
    assert view.steps["sum"].result == {"all": view.steps["each"].result}
    assert sorted(flows.ran) == ["r1.each.0", "r1.each.1", "r1.each.2", "r1.sum"]
    assert await flows.faults() == []


async def test_items_may_come_from_a_needed_step(flows):
    run = await flows.start(
        step("load", data={"rows": [{"id": 1}, {"id": 2}]}),
        step(
            "each",
            "load",
            foreach="${{ needs.load.result.rows }}",
            data={"id": "${{ item.id }}", "of": "${{ size(needs.load.result.rows) }}"},
        ),
    )

    assert await run.result("5s") == [{"id": 1, "of": 2}, {"id": 2, "of": 2}]


async def test_a_matrix_is_a_job_for_each_combination_in_order(flows):
    data = {"at": "${{ matrix.region }}-${{ matrix.size }}"}
    matrix = {"region": ["eu", "us"], "size": "${{ inputs.sizes }}"}
    run = await flows.start(step("each", matrix=matrix, data=data), inputs={"sizes": [1, 2]})

    result = await run.result("5s")

    assert [one["at"] for one in result] == ["eu-1", "eu-2", "us-1", "us-2"]


async def test_a_step_without_items_completes_with_an_empty_list(flows):
    run = await flows.start(EACH, SUM, inputs={"names": []})

    view = await run.wait("5s")

    assert (view.steps["each"].result, view.steps["sum"].result) == ([], {"all": []})


async def test_more_items_than_one_call_takes_are_all_added_and_gathered_in_order(flows):
    run = await flows.start(EACH, inputs={"names": [str(n) for n in range(2_500)]})

    result = await run.result("30s")

    assert [one["name"] for one in result] == [str(n) for n in range(2_500)]
    assert len(flows.ran) == 2_500
    assert await flows.faults() == []


async def test_results_of_items_that_are_not_kept_are_in_the_list(flows):
    run = await flows.start(replace(EACH, job="gone"), SUM, inputs=NAMES)

    result = await run.result("5s")

    assert result == {"all": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}


async def test_a_skipped_step_has_no_items(flows):
    run = await flows.start(replace(EACH, condition=False), SUM, inputs=NAMES)

    view = await run.wait("5s")

    assert (states(view), flows.ran) == ({"each": "skipped", "sum": "skipped"}, [])


async def test_a_failed_item_fails_its_step_and_what_needs_it(flows):
    flows.failing = {"r1.each.1"}
    run = await flows.start(EACH, SUM, inputs=NAMES)

    view = await flows.ended(run)

    assert (view.state, states(view)) == ("failed", {"each": "failed", "sum": "failed"})
    assert view.steps["each"].error == "item 1 of step 'each' failed"
    assert view.steps["sum"].error == "step 'each' failed"


@pytest.mark.parametrize(
    ("on_failure", "expected"),
    [
        (ChildFailure.IGNORE, [{"name": "a"}, None, {"name": "c"}]),
        (ChildFailure.CONTINUE, [{"name": "a"}, None, {"name": "c"}]),
        (ChildFailure.REMOVE, [{"name": "a"}, {"name": "c"}]),
    ],
)
async def test_a_failed_item_that_does_not_count_is_null_or_left_out(flows, on_failure, expected):
    flows.failing = {"r1.each.1"}
    run = await flows.start(replace(EACH, on_failure=on_failure), SUM, inputs=NAMES)

    view = await run.wait("5s")

    assert (view.state, view.steps["sum"].result) == ("completed", {"all": expected})
    counts = view.steps["each"].items
    assert (counts.total, counts.pending, counts.completed, counts.failed) == (3, 0, 2, 1)
    assert await flows.faults() == []


async def test_a_retried_run_runs_failed_items_again_and_no_others(flows):
    flows.failing = {"r1.each.0", "r1.each.1"}
    run = await flows.start(EACH, SUM, inputs=NAMES)
    await flows.ended(run)
    await flows.rig.reaches("r1.each.0", "failed")
    await flows.rig.reaches("r1.each.1", "failed")
    flows.failing, flows.ran = set(), []

    retried = await run.retry()
    view = await flows.ended(run)

    assert retried == ["each", "sum"]
    assert view.steps["sum"].result == {"all": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}
    assert sorted(flows.ran) == ["r1.each.0", "r1.each.1", "r1.sum"]
    assert await flows.faults() == []


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ("abc", "'foreach' of step 'each' gave str, not a list"),
        (["x"] * 10_001, "step 'each' has 10001 items, expected at most 10000; "),
    ],
)
async def test_items_that_cannot_be_made_fail_the_step(flows, names, reason):
    run = await flows.start(EACH, inputs={"names": names})

    with pytest.raises(JobFailed, match=reason):
        await run.result("5s")

    assert flows.ran == []


async def test_a_fan_out_that_was_cut_short_adds_nothing_twice(flows, rig):
    """As after a crash between two batches: some items are there, one has ended and is gone."""
    run = await flows.start(EACH, inputs=NAMES)
    await run.result("5s")
    keys: QueueKeys = rig.keys()
    flows.ran.clear()

    await rig.sender.send(remove_job(keys, "r1.each.1"))
    await rig.redis.hset(keys.job("r1.each"), mapping={"t:d": '{"names":["a","b","c","d"]}'})
    await run._client.job("orders", "r1.each").retry()
    result = await run.result("5s")

    assert [one["name"] for one in result] == ["a", "b", "c", "d"]
    assert flows.ran == ["r1.each.3"]


async def test_runs_are_listed_once_and_not_for_each_item(flows):
    run = await flows.start(EACH, inputs=NAMES)
    await run.wait("5s")

    listed = await run._client.list_runs("daily")

    assert [one.run for one in listed] == ["r1"]
