"""One test a hook, named after it: what a plugin brings by it, or is told with all its fields."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from toril.declarations.backoff import Backoff, wait_constant
from toril.plugins.decorators import backoff, hookimpl, processor, secret_provider, source
from toril.plugins.manager import PluginManager
from toril.plugins.observers import Observers

JOB = {"queue": "orders", "job_id": "7", "job_type": "sync"}


@pytest.fixture
def load(make_plugin: Callable[..., SimpleNamespace]) -> Callable[..., PluginManager]:
    return lambda **hooks: PluginManager.load(extra={"shop": make_plugin(**hooks)})


@pytest.fixture
def tell(events: Any) -> Callable[..., None]:
    """`tell(implementation, **fields)`: notifies a plugin of that one hook; nothing may fail."""

    def notify(implementation: Callable[..., Any], **fields: Any) -> None:
        name = implementation.__name__
        plugin = SimpleNamespace(**{name: hookimpl(implementation)})
        Observers(PluginManager.load(extra={"shop": plugin}), events).notify(name, **fields)
        assert events == []

    return notify


def test_toril_processors_brings_processors(load: Any):
    @processor("shop.greet")
    def greet(job: Any) -> None: ...

    assert load(toril_processors=lambda: [greet]).processors["shop.greet"] is greet


def test_toril_backoffs_brings_backoff_types(load: Any):
    @backoff("shop.steady")
    def steady(declaration: Backoff) -> wait_constant:
        return wait_constant(1)

    assert load(toril_backoffs=lambda: [steady]).backoffs["shop.steady"] is steady.build


def test_toril_sources_brings_sources(load: Any):
    @source("shop.users")
    def users() -> list[int]:
        return [1, 2]

    manager = load(toril_sources=lambda: [users])

    assert manager.sources["shop.users"] is users
    assert users() == [1, 2]


def test_toril_secret_providers_brings_secret_providers(load: Any):
    @secret_provider("vault")
    def vault(path: str) -> str:
        return path

    manager = load(toril_secret_providers=lambda: [vault])

    assert manager.secret_providers["vault"] is vault


def test_toril_job_added_is_told_of_the_job(tell: Any):
    seen: list[Any] = []

    def toril_job_added(queue: str, job_id: str, job_type: str) -> None:
        seen.append((queue, job_id, job_type))

    tell(toril_job_added, **JOB)

    assert seen == [("orders", "7", "sync")]


def test_toril_job_started_is_told_of_the_attempt(tell: Any):
    seen: list[Any] = []

    def toril_job_started(queue: str, job_id: str, job_type: str, attempt: int) -> None:
        seen.append((queue, job_id, job_type, attempt))

    tell(toril_job_started, **JOB, attempt=2)

    assert seen == [("orders", "7", "sync", 2)]


def test_toril_job_progress_is_told_how_far_it_is(tell: Any):
    seen: list[Any] = []

    def toril_job_progress(queue: str, job_id: str, job_type: str, progress: Any) -> None:
        seen.append((queue, job_id, job_type, progress))

    tell(toril_job_progress, **JOB, progress=40)

    assert seen == [("orders", "7", "sync", 40)]


def test_toril_job_completed_is_told_the_result(tell: Any):
    seen: list[Any] = []

    def toril_job_completed(queue: str, job_id: str, job_type: str, result: Any) -> None:
        seen.append((queue, job_id, job_type, result))

    tell(toril_job_completed, **JOB, result={"synced": 120})

    assert seen == [("orders", "7", "sync", {"synced": 120})]


def test_toril_job_failed_is_told_the_error(tell: Any):
    seen: list[Any] = []

    def toril_job_failed(queue: str, job_id: str, job_type: str, error: str, attempt: int) -> None:
        seen.append((queue, job_id, job_type, error, attempt))

    tell(toril_job_failed, **JOB, error="no route", attempt=3)

    assert seen == [("orders", "7", "sync", "no route", 3)]


def test_toril_job_retrying_is_told_the_pause(tell: Any):
    seen: list[Any] = []

    def toril_job_retrying(
        queue: str, job_id: str, job_type: str, error: str, attempt: int, delay_ms: int
    ) -> None:
        seen.append((queue, job_id, job_type, error, attempt, delay_ms))

    tell(toril_job_retrying, **JOB, error="no route", attempt=1, delay_ms=2_000)

    assert seen == [("orders", "7", "sync", "no route", 1, 2_000)]


def test_toril_job_stalled_is_told_the_job(tell: Any):
    seen: list[Any] = []

    def toril_job_stalled(queue: str, job_id: str) -> None:
        seen.append((queue, job_id))

    tell(toril_job_stalled, queue="orders", job_id="7")

    assert seen == [("orders", "7")]


def test_toril_dead_letter_added_tells_where_a_failed_job_left_its_copy(tell):
    seen = []

    def toril_dead_letter_added(queue, job_id, from_queue, from_id, job_type, error):
        seen.append((queue, job_id, from_queue, from_id, job_type, error))

    where = {"queue": "letters", "job_id": "orders.7.1", "from_queue": "orders", "from_id": "7"}
    tell(toril_dead_letter_added, **where, job_type="sync", error="away")

    assert seen == [("letters", "orders.7.1", "orders", "7", "sync", "away")]


def test_toril_schedule_fired_is_told_of_the_tick(tell: Any):
    seen: list[Any] = []

    def toril_schedule_fired(schedule: str, tick_ms: int, queue: str, job_id: str) -> None:
        seen.append((schedule, tick_ms, queue, job_id))

    tell(toril_schedule_fired, schedule="nightly", tick_ms=5, queue="orders", job_id="7")

    assert seen == [("nightly", 5, "orders", "7")]


def test_toril_flow_finished_is_told_how(tell: Any):
    seen: list[Any] = []

    def toril_flow_finished(flow: str, run: str, state: str) -> None:
        seen.append((flow, run, state))

    tell(toril_flow_finished, flow="evening", run="r1", state="failed")

    assert seen == [("evening", "r1", "failed")]


def test_toril_worker_started_is_told_the_queues(tell: Any):
    seen: list[Any] = []

    def toril_worker_started(worker: str, queues: tuple[str, ...]) -> None:
        seen.append((worker, queues))

    tell(toril_worker_started, worker="host:1", queues=("orders", "prices"))

    assert seen == [("host:1", ("orders", "prices"))]


def test_toril_worker_stopped_is_told_the_worker(tell: Any):
    seen: list[Any] = []

    def toril_worker_stopped(worker: str) -> None:
        seen.append(worker)

    tell(toril_worker_stopped, worker="host:1")

    assert seen == ["host:1"]
