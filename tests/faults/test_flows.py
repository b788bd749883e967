"""Flows under kill -9: of those who start large runs, and of workers that add a step's items."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from toril.sync_client import SyncClient

MakePipeline = Callable[..., Any]

STEPS = 2_500

PROCESSORS = """

@processor("faults.item")
async def item(job):
    note("item", job)
    killed = Path(__file__).parent / "killed"
    if job.data.get("kills") and not killed.exists():
        killed.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return job.data.get("n")


@hookimpl
def toril_processors():
    return [act, act_in_thread, act_in_steps, item]
"""

#: Starts the flow as any application does, and is killed after so many calls.
STARTER = """
import os, signal, sys
from toril import SyncClient

root, calls = sys.argv[1], int(sys.argv[2])
client = SyncClient.from_config(root)
send, sent = client.send, []

def send_or_die(call):
    if len(sent) == calls:
        os.kill(os.getpid(), signal.SIGKILL)
    sent.append(call.script)
    return send(call)

client.send = send_or_die
client.start_flow("large", {}, run_id="r1")
"""


def declare(pipeline: Any, flow: dict[str, Any]) -> None:
    with (pipeline.root / "processors.py").open("a") as file:
        file.write(PROCESSORS)
    declared = {
        "jobs": {"item": {"queue": "orders", "use": "faults.item"}},
        "flows": {"large": flow},
    }
    (pipeline.root / "flow.yaml").write_text(json.dumps(declared))


@pytest.mark.parametrize("calls", [1, 2, 3])
def test_a_large_run_whose_starter_was_killed_runs_nothing_until_it_is_started_again(
    make_pipeline: MakePipeline, calls: int
) -> None:
    pipeline = make_pipeline(concurrency=100)
    leaves = {f"s{n}": {"job": "item"} for n in range(STEPS)}
    declare(pipeline, {"steps": {**leaves, "last": {"job": "item", "needs": list(leaves)}}})

    command = [sys.executable, "-c", STARTER, str(pipeline.root), str(calls)]
    killed = subprocess.run(command, check=False)
    before = pipeline.counts()
    with SyncClient.from_config(pipeline.root) as client:
        assert client.start_flow("large", {}, run_id="r1").created
    assert pipeline.run("--until-idle").end(60) == 0

    assert killed.returncode == -signal.SIGKILL
    assert (before.waiting, before.waiting_children) == (0, min(calls * 1_000, STEPS + 1))
    assert pipeline.history("item ").total() == STEPS + 1
    assert pipeline.state("r1.last") == "completed"
    assert pipeline.fsck() == []


def test_items_that_a_killed_worker_was_adding_are_all_added_and_none_twice(
    make_pipeline: MakePipeline,
) -> None:
    pipeline = make_pipeline()
    step = {
        "job": "item",
        "foreach": "${{ inputs.numbers }}",
        "data": {"n": "${{ item }}", "kills": "${{ item == 3 }}"},
    }
    declare(pipeline, {"steps": {"each": step}})
    with SyncClient.from_config(pipeline.root) as client:
        client.start_flow("large", {"numbers": list(range(STEPS))}, run_id="r1")

    assert pipeline.run("--until-idle").end(60) == 0

    assert (pipeline.root / "killed").exists()
    assert pipeline.read("r1.each").returnvalue == list(range(STEPS))
    ran = pipeline.history("item ")
    assert len(ran) == STEPS
    # Those that ran beside the one that killed their worker run once more.
    assert ran.total() <= STEPS + 10
    assert pipeline.fsck() == []


def test_a_flow_of_ten_thousand_steps_ends_though_its_starter_and_its_workers_are_killed(
    make_pipeline: MakePipeline, block_until: Callable[..., None]
) -> None:
    pipeline = make_pipeline(concurrency=100)
    first = {"job": "item", "data": {"n": 1}}
    data = {"n": "${{ needs.first.result + 1 }}"}
    middle = {f"s{n}": {"job": "item", "needs": ["first"], "data": data} for n in range(10_000 - 2)}
    last = {
        "job": "item",
        "needs": list(middle),
        "data": {"n": "${{ needs.s9000.result + 1 }}"},
    }
    declare(pipeline, {"steps": {"first": first, **middle, "last": last}})

    subprocess.run([sys.executable, "-c", STARTER, str(pipeline.root), "5"], check=False)
    assert pipeline.counts().waiting == 0
    with SyncClient.from_config(pipeline.root) as client:
        assert client.start_flow("large", {}, run_id="r1").created
    run = pipeline.run("--until-idle")
    block_until(lambda: pipeline.history("item ").total() > 2_000, within="60s")
    os.kill(run.worker_pids()[0], signal.SIGKILL)
    assert run.end(120) == 0

    assert pipeline.state("r1.last") == "completed"
    assert pipeline.read("r1.last").returnvalue == 3
    ran = pipeline.history("item ")
    assert len(ran) == 10_000
    # Those that the killed worker had in hand run once more.
    assert ran.total() <= 10_000 + 200
    assert pipeline.fsck() == []
