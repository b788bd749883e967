"""Tests of the watch on the event loop."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
import time

import pytest

from toril.runtime.worker.loop_watch import LoopWatch, PauseMeter

Told = list[tuple[str | None, float, str]]


@pytest.fixture
def told() -> Told:
    return []


@pytest.fixture
async def watch(told: Told):
    made = LoopWatch(
        identify=lambda task: task.get_name(),
        on_blocked=lambda *what: told.append(what),
        on_paused=lambda seconds: told.append((None, seconds, "paused")),
        after_s=0.1,
    )
    made.start()
    yield made
    made.stop()


async def block(seconds: float) -> None:
    threading.Event().wait(seconds)


async def test_a_task_that_blocks_the_loop_is_named_with_its_place(watch, told, wait_until):
    await asyncio.create_task(block(0.3), name="culprit")

    await wait_until(lambda: told)
    [(who, blocked_s, where)] = told
    assert who == "culprit"
    assert 0.25 <= blocked_s < 2
    assert f"{__file__}:" in where


async def test_a_loop_that_turns_is_no_news(watch, told):
    for _ in range(30):
        await asyncio.sleep(0.01)

    assert told == []


async def test_it_can_be_stopped_twice_and_without_a_start(told):
    watch = LoopWatch(identify=lambda task: None, on_blocked=told.append, on_paused=told.append)

    watch.stop()
    watch.stop()


#: Tells on stdout what a watch says.
WATCHED = """
import asyncio, json
from toril.runtime.worker.loop_watch import LoopWatch

async def main():
    watch = LoopWatch(
        identify=lambda task: task.get_name(),
        on_blocked=lambda who, seconds, where: print(json.dumps(["blocked", seconds]), flush=True),
        on_paused=lambda seconds: print(json.dumps(["paused", seconds]), flush=True),
        after_s=0.4,
    )
    watch.start()
    print("ready", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def test_a_process_that_was_stopped_blames_no_job() -> None:
    command = [sys.executable, "-c", WATCHED]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGSTOP)
            time.sleep(1.5)
            process.send_signal(signal.SIGCONT)
            event, seconds = json.loads(process.stdout.readline())
        finally:
            process.kill()

    assert event == "paused"
    assert 1 < seconds < 30


def test_a_time_of_work_is_no_pause() -> None:
    meter = PauseMeter(after_s=0.05)

    until = time.process_time() + 0.2
    while time.process_time() < until:
        pass

    assert meter.look()[1] == 0


def test_a_time_without_work_is_a_pause() -> None:
    meter = PauseMeter(after_s=0.05)

    time.sleep(0.2)

    assert meter.look()[1] >= 0.2
    assert meter.look()[1] < 10
