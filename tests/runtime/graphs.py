"""Flows in tests: jobs that tell what they saw, and a model of what becomes of a flow."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace

from toril.client import Client
from toril.declarations.child_failure import ChildFailure
from toril.declarations.flow import Flow, Step
from toril.declarations.job_type import Retry
from toril.runtime.calls.queues import read_counts
from toril.runtime.fsck import check_queue

FAIL = ChildFailure.FAIL
QUEUES = {"work": "orders", "other": "mails"}


def step(name, *needs, job="work", **fields):
    return Step(name=name, job=job, needs=needs, **fields)


class Graphs:
    """Runs flows on real workers and remembers what ran, in order."""

    def __init__(self, rig):
        self.rig, self.ran, self.failing = rig, [], set()
        self.runs = itertools.count(1)

        async def work(job):
            run, _, name = job.id.partition(".")
            self.ran.append((run, name))
            if (run, name) in self.failing:
                raise ValueError(f"{name} fails")
            return {"from": name, "seen": sorted(job.results)}

        for name, queue in QUEUES.items():
            rig.job(work, name, queue=queue, retry=Retry(attempts=1))

    def declare(self, *steps):
        flow = Flow(name="graph", steps={one.name: one for one in steps})
        self.rig.pipeline = replace(self.rig.pipeline, flows={"graph": flow})

    async def start(self, *steps, failing=(), inputs=None):
        """Declares the flow, starts it, and gives the run's handle and its client."""
        self.declare(*steps)
        run = f"r{next(self.runs)}"
        self.failing |= {(run, name) for name in failing}
        client = Client(self.rig.pipeline, sender=self.rig.sender, clock=self.rig.clock)
        return await client.start_flow("graph", inputs or {}, run_id=run)

    def order(self, run):
        return [name for of, name in self.ran if of == run]

    async def is_idle(self):
        """Waits until nothing is left to run."""
        async with asyncio.timeout(10):
            for queue in QUEUES.values():
                while any(await self._busy(queue)):  # noqa: ASYNC110
                    await asyncio.sleep(0.005)

    async def _busy(self, queue):
        counts = await self.rig.sender.send(read_counts(self.rig.keys(queue)))
        return counts.waiting, counts.prioritized, counts.active

    async def faults(self):
        keys = [self.rig.keys(queue) for queue in QUEUES.values()]
        return [fault for each in keys for fault in await check_queue(self.rig.sender, each)]


async def ended(run):
    """Waits until every step has ended: a run fails as soon as its last step has to."""
    await run.wait("10s")
    async with asyncio.timeout(10):
        while {"waiting", "active"} & set(states(view := await run.state()).values()):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    return view


def states(view):
    return {name: one.state for name, one in view.steps.items()}


def model(flow, failing, kept=None):
    """What becomes of each step: a pure walk from the first steps to the last.

    `failing` are names of steps, and STEP.NUMBER of items; what is `kept` stays as it is.
    """
    ended = dict(kept or {})
    for one in reversed(flow.list_from_last()):
        if one.name not in ended:
            ended[one.name] = _model_step(one, failing, [ended[name] for name in one.needs])
    return ended


def _model_step(one, failing, needs):
    fails = one.name in failing
    if one.is_fan_out:
        fails = one.on_failure is FAIL and any(name in failing for name in items_of(one))
    if "failed" not in needs:
        if one.condition is False or (one.condition is None and "skipped" in needs):
            return "skipped"
        if not fails:
            return "completed"
    return "failed" if one.on_failure is FAIL else "ignored"


def items_of(one):
    """The names of a step's items."""
    return [f"{one.name}.{number}" for number in range(len(one.foreach))]


def model_result(one, failing):
    """What a completed step with items gives."""
    leaves_out = one.on_failure is ChildFailure.REMOVE
    return [
        None if name in failing else {"from": name, "seen": []}
        for name in items_of(one)
        if not (leaves_out and name in failing)
    ]
