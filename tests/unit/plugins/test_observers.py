from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from toril.plugins import observers as observers_module
from toril.plugins.manager import PluginManager
from toril.plugins.observers import MUTE_AFTER, Observers

Make = Callable[..., SimpleNamespace]


def observe(events: Any, **plugins: SimpleNamespace) -> Observers:
    return Observers(PluginManager.load(extra=plugins), events)


def test_a_plain_hook_is_called_at_once_with_what_it_asks_for(make_plugin: Make, events: Any):
    seen: list[Any] = []
    plugin = make_plugin(toril_job_stalled=lambda job_id: seen.append(job_id))

    observe(events, shop=plugin).notify("toril_job_stalled", queue="orders", job_id="7")

    assert seen == ["7"]


async def test_a_coroutine_runs_in_the_background_and_is_awaited_by_drain(
    make_plugin: Make, events: Any
):
    seen: list[str] = []

    async def toril_job_stalled(queue: str) -> None:
        await asyncio.sleep(0)
        seen.append(queue)

    observers = observe(events, shop=make_plugin(toril_job_stalled=toril_job_stalled))
    observers.notify("toril_job_stalled", queue="orders", job_id="7")
    before = list(seen)
    await observers.drain()

    assert (before, seen) == ([], ["orders"])


def test_a_coroutine_is_run_to_its_end_where_there_is_no_loop(make_plugin: Make, events: Any):
    seen: list[str] = []

    async def toril_job_stalled(queue: str) -> None:
        seen.append(queue)

    observers = observe(events, shop=make_plugin(toril_job_stalled=toril_job_stalled))
    observers.notify("toril_job_stalled", queue="orders", job_id="7")

    assert seen == ["orders"]


def test_a_hook_that_raises_is_announced_and_keeps_none_from_the_others(
    make_plugin: Make, events: Any
):
    seen: list[str] = []
    first, last = [
        make_plugin(toril_job_stalled=lambda job_id: seen.append(job_id)) for _ in range(2)
    ]
    bad = make_plugin(toril_job_stalled=lambda: 1 / 0)

    observers = observe(events, first=first, bad=bad, last=last)
    observers.notify("toril_job_stalled", queue="orders", job_id="7")

    assert seen == ["7", "7"]
    assert events == [
        (
            "hook_failed",
            {
                "plugin": "bad",
                "hook": "toril_job_stalled",
                "error": "ZeroDivisionError: division by zero",
                "failures": 1,
            },
        )
    ]
    assert observers.failures == {("bad", "toril_job_stalled"): 1}


def test_a_hook_is_muted_after_failures_in_a_row(make_plugin: Make, events: Any):
    plugin = make_plugin(toril_job_stalled=lambda: 1 / 0)
    observers = observe(events, bad=plugin)

    for _ in range(MUTE_AFTER + 3):
        observers.notify("toril_job_stalled", queue="orders", job_id="7")

    assert events.names == ["hook_failed"] * MUTE_AFTER + ["hook_muted"]
    assert events[-1][1] == {
        "plugin": "bad",
        "hook": "toril_job_stalled",
        "failures": MUTE_AFTER,
    }


def test_a_success_in_between_keeps_a_hook_heard(make_plugin: Make, events: Any):
    def toril_job_stalled(job_id: str) -> None:
        if job_id != "good":
            raise ValueError(job_id)

    observers = observe(events, shop=make_plugin(toril_job_stalled=toril_job_stalled))
    for job_id in [*["bad"] * (MUTE_AFTER - 1), "good"] * 2:
        observers.notify("toril_job_stalled", queue="orders", job_id=job_id)

    assert "hook_muted" not in events.names


async def test_a_coroutine_that_raises_is_announced_and_muted_too(make_plugin: Make, events: Any):
    async def toril_job_stalled() -> None:
        raise ValueError("no route")

    observers = observe(events, shop=make_plugin(toril_job_stalled=toril_job_stalled))
    for _ in range(MUTE_AFTER + 1):
        observers.notify("toril_job_stalled", queue="orders", job_id="7")
        await observers.drain()

    assert events.names == ["hook_failed"] * MUTE_AFTER + ["hook_muted"]
    assert events[0][1]["error"] == "ValueError: no route"


async def test_a_coroutine_that_never_ends_is_cancelled_by_drain(make_plugin: Make, events: Any):
    async def toril_job_stalled() -> None:
        await asyncio.Event().wait()

    observers = observe(events, shop=make_plugin(toril_job_stalled=toril_job_stalled))
    observers.notify("toril_job_stalled", queue="orders", job_id="7")
    await observers.drain(within_s=0.01)
    await observers.drain(within_s=0.01)

    assert [fields["error"] for _, fields in events] == ["not finished within 0.01s at the end"]


async def test_unfinished_coroutines_are_bounded(
    make_plugin: Make, events: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(observers_module, "MAX_UNFINISHED", 2)
    done: list[str] = []

    async def toril_job_stalled(job_id: str) -> None:
        done.append(job_id)

    observers = observe(events, shop=make_plugin(toril_job_stalled=toril_job_stalled))
    for job_id in "abc":
        observers.notify("toril_job_stalled", queue="orders", job_id=job_id)
    await observers.drain()

    assert done == ["a", "b"]
    assert [fields["error"] for _, fields in events] == ["left out: 2 hook calls are unfinished"]


def test_it_knows_whether_anyone_looks(make_plugin: Make, events: Any):
    observers = observe(events, shop=make_plugin(toril_job_stalled=lambda: None))

    assert observers.is_watched("toril_job_stalled")
    assert not observers.is_watched("toril_job_added")


async def test_a_hook_that_exits_ends_nobody(make_plugin: Make, events: Any):
    def toril_job_stalled():
        sys.exit(3)

    async def toril_job_added():
        sys.exit(4)

    plugin = make_plugin(toril_job_stalled=toril_job_stalled, toril_job_added=toril_job_added)
    observers = observe(events, bad=plugin)

    observers.notify("toril_job_stalled", queue="orders", job_id="7")
    observers.notify("toril_job_added", queue="orders", job_id="7", job_type="sync")
    await observers.drain()

    assert [fields["error"] for _, fields in events] == ["SystemExit: 3", "SystemExit: 4"]
