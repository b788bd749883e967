"""What a worker process tells of its jobs."""

from __future__ import annotations

from typing import Any

from toril.runner.telling import LINES_AT_ONCE, Telling


class Ear:
    """Keeps what was sent, and holds the time."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.now = 100.0

    def make(self) -> Telling:
        return Telling(self.heard.append, monotonic=lambda: self.now)


def job(event_fields: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"queue": "orders", "job": "a", "job_type": "sync", **(event_fields or {})}


def test_events_are_passed_on() -> None:
    ear = Ear()

    ear.make().tell("job_failed", job({"error": "no"}))

    assert ear.heard == [{"say": "event", "event": "job_failed", "fields": job({"error": "no"})}]


def test_each_start_is_told_whatever_the_pace() -> None:
    ear = Ear()
    telling = ear.make()

    for _ in range(5_000):
        telling.tell("job_started", job())

    assert [message["event"] for message in ear.heard] == ["job_started"] * 5_000


def test_beyond_the_pace_jobs_are_only_counted() -> None:
    ear = Ear()
    telling = ear.make()
    for _ in range(5_000):
        telling.tell("job_completed", job())
    lines = len(ear.heard)

    telling.report()
    telling.report()

    assert lines == LINES_AT_ONCE
    assert ear.heard[lines:] == [
        {
            "say": "counts",
            "counts": [["orders", "job_completed", 5_000]],
            "untold": 5_000 - lines,
        }
    ]


def test_the_pace_recovers_with_time() -> None:
    ear = Ear()
    telling = ear.make()
    for _ in range(200):
        telling.tell("job_completed", job())
    ear.now += 60
    ear.heard.clear()

    for _ in range(200):
        telling.tell("job_completed", job())

    assert len(ear.heard) == LINES_AT_ONCE


def test_what_is_of_no_single_job_is_always_told() -> None:
    ear = Ear()
    telling = ear.make()
    for _ in range(200):
        telling.tell("hook_failed", {"plugin": "x"})

    assert len(ear.heard) == 200
