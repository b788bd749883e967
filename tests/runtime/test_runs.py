"""How a run stands, read from a real server, async and blocking."""

from __future__ import annotations

from pathlib import Path

import pytest

from toril.declarations.flow import Flow, Step
from toril.declarations.job_type import JobType, Keep, KeepRule
from toril.declarations.pipeline import Pipeline, RedisSettings
from toril.declarations.queue import Queue
from toril.errors import JobNotFound
from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.claim import Owner
from toril.runtime.calls.jobs import Ending, remove_job
from toril.runtime.calls.settle import settle_and_claim
from toril.runtime.flows import build_run
from toril.runtime.keys import QueueKeys
from toril.runtime.outcomes import Completed, Failed
from toril.runtime.runs import RunView, read_run, read_run_sync
from toril.runtime.states import JobState

NOW = 1_790_000_000_000
OWNER = Owner("tok", 30_000)
NONE = KeepRule(count=0)
FLOW = Flow(
    name="daily",
    steps={
        "fetch": Step(name="fetch", job="fetch"),
        "clean": Step(name="clean", job="fetch", needs=("fetch",)),
        "write": Step(name="write", job="write", needs=("clean",)),
    },
)


class Run:
    """One run of FLOW, worked by hand."""

    def __init__(self, sender, sync_sender, prefix: str) -> None:
        self.sender, self.sync_sender = sender, sync_sender
        self.pipeline = Pipeline(
            root=Path("/"),
            project="trading",
            redis=RedisSettings(prefix=prefix),
            queues={name: Queue(name=name) for name in ("orders", "reports")},
            jobs={
                "fetch": JobType(name="fetch", queue="orders", keep=Keep()),
                "write": JobType(name="write", queue="reports"),
            },
            flows={"daily": FLOW},
        )

    def keys(self, step: str):
        queue = self.pipeline.jobs[FLOW.steps[step].job].queue
        return QueueKeys(self.pipeline.redis.prefix, queue)

    async def start(self) -> None:
        jobs = build_run(self.pipeline, FLOW, {}, run_id="r1", now_ms=NOW)
        await self.sender.send(add_jobs(self.pipeline.redis.prefix, jobs, now_ms=NOW))

    async def claim(self, step: str) -> None:
        call = settle_and_claim(self.keys(step), owner=OWNER, claim=1, now_ms=NOW)
        [job] = (await self.sender.send(call)).jobs
        assert job.id == f"r1.{step}"

    async def settle(self, step: str, outcome) -> None:
        call = settle_and_claim(self.keys(step), owner=OWNER, outcomes=[outcome], now_ms=NOW)
        assert (await self.sender.send(call)).codes == [0]

    async def complete(self, step: str, result: bytes = b"1", keep: KeepRule | None = None) -> None:
        await self.claim(step)
        await self.settle(step, Completed(f"r1.{step}", result, keep or KeepRule()))

    async def fail(self, step: str, reason: str) -> None:
        await self.claim(step)
        await self.settle(step, Failed(f"r1.{step}", reason, b"[]", KeepRule(), 1))

    async def read(self, **endings: Ending) -> RunView:
        view = await read_run(self.sender, self.pipeline, FLOW, "r1", endings=endings)
        assert view == read_run_sync(self.sync_sender, self.pipeline, FLOW, "r1", endings=endings)
        return view

    async def states(self) -> tuple[str, list[str]]:
        view = await self.read()
        return view.state, [step.state for step in view.steps.values()]


@pytest.fixture
async def run(async_sender, sync_sender, prefix) -> Run:
    made = Run(async_sender, sync_sender, prefix)
    await made.start()
    return made


async def test_a_new_run_waits(run) -> None:
    assert await run.states() == ("waiting", ["waiting", "waiting", "waiting"])


async def test_a_run_goes_from_step_to_step(run) -> None:
    await run.claim("fetch")
    assert await run.states() == ("active", ["active", "waiting", "waiting"])
    await run.settle("fetch", Completed("r1.fetch", b"1", KeepRule()))
    assert await run.states() == ("active", ["completed", "waiting", "waiting"])
    await run.complete("clean")
    await run.complete("write", b'{"path":"x"}')

    view = await run.read()

    assert view.as_json() == {
        "run": "r1",
        "flow": "daily",
        "state": "completed",
        "steps": {
            "fetch": {"state": "completed", "job": "r1.fetch", "result": 1, "error": None},
            "clean": {"state": "completed", "job": "r1.clean", "result": 1, "error": None},
            "write": {
                "state": "completed",
                "job": "r1.write",
                "result": {"path": "x"},
                "error": None,
            },
        },
    }


async def test_a_failed_step_fails_what_needs_it_and_names_itself(run) -> None:
    await run.fail("fetch", "boom")
    for step, needed in (("clean", "fetch"), ("write", "clean")):
        key = run.keys(needed).job(f"r1.{needed}")
        await run.fail(step, f"child {key} failed")

    view = await run.read()

    assert view.state == "failed"
    assert [step.error for step in view.steps.values()] == [
        "boom",
        "step 'fetch' failed",
        "step 'clean' failed",
    ]


async def test_a_step_that_was_not_kept_is_known_by_what_needs_it(run) -> None:
    await run.complete("fetch", b"[1]", NONE)

    view = await run.read()

    assert (view.steps["fetch"].state, view.steps["fetch"].result) == ("completed", [1])


async def test_steps_whose_dependents_are_gone_too_have_completed(run) -> None:
    await run.complete("fetch", b"1", NONE)
    await run.complete("clean", b"2", NONE)
    await run.complete("write")

    assert await run.states() == ("completed", ["completed", "completed", "completed"])


async def test_a_last_step_that_was_not_kept_is_told_by_who_waited(run) -> None:
    await run.complete("fetch")
    await run.complete("clean")
    await run.complete("write", b"9", NONE)

    view = await run.read(write=Ending(JobState.COMPLETED, b"9"))

    assert (view.state, view.steps["write"].result) == ("completed", 9)


async def test_a_removed_step_was_skipped(run) -> None:
    await run.sender.send(remove_job(run.keys("fetch"), "r1.fetch"))

    assert await run.states() == ("waiting", ["skipped", "waiting", "waiting"])


async def test_a_run_of_which_nothing_is_left_is_an_error(run) -> None:
    await run.sender.send(remove_job(run.keys("write"), "r1.write"))

    with pytest.raises(JobNotFound) as raised:
        await run.read()

    assert str(raised.value) == "no run 'r1' of flow 'daily'"
