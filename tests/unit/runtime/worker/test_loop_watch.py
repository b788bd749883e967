"""Tests of the watch on the event loop."""

from __future__ import annotations

import asyncio
import threading

import pytest

from toril.runtime.worker.loop_watch import LoopWatch

Told = list[tuple[str | None, float, str]]


@pytest.fixture
def told() -> Told:
    return []


@pytest.fixture
async def watch(told: Told):
    made = LoopWatch(
        identify=lambda task: task.get_name(),
        on_blocked=lambda *what: told.append(what),
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
    watch = LoopWatch(identify=lambda task: None, on_blocked=lambda *what: told.append(what))

    watch.stop()
    watch.stop()
