"""Checking schedules; the wordings are in tests/acceptance/wrong_yaml."""

from __future__ import annotations

import pytest

JOB = "jobs: {greet: {queue: orders, use: shop.greet}}\n"


@pytest.mark.parametrize(
    "schedule",
    [
        '{cron: "*/5 * * * *", job: greet}',
        '{cron: "30 0 9 * * 1-5", job: greet, timezone: Europe/Zurich}',
        '{cron: "@daily", job: greet, data: {a: 1}, priority: 1}',
        "{every: 15m, job: greet}",
        "{at: 2027-01-01T09:00:00, job: greet, timezone: Asia/Tokyo}",
        '{at: "2027-01-01T09:00:00+02:00", job: greet}',
    ],
)
def test_schedules_that_are_right(load, schedule: str) -> None:
    assert load(JOB + f"schedules: {{s: {schedule}}}").problems == ()


@pytest.mark.parametrize("zone", ["Mars", "../UTC", "", "Europe", "/etc/localtime", "utc\\0"])
def test_what_is_no_time_zone_is_refused(load, zone: str) -> None:
    text = JOB + f'schedules: {{s: {{cron: "@daily", job: greet, timezone: "{zone}"}}}}'

    assert {code for _, _, code, _ in load.told(text)} <= {"T302", "T103"}
    assert load(text).pipeline is None


def test_schedules_of_a_wrong_shape_are_told_once(load) -> None:
    assert [code for _, _, code, _ in load.told("schedules: {s: 5}")] == ["T103"]


def test_a_flow_of_a_wrong_shape_is_not_looked_into(load) -> None:
    text = JOB + "flows: {f: {steps: 5}}\nschedules: {s: {every: 1h, flow: f}}"

    assert [code for _, _, code, _ in load.told(text)] == ["T103"]


@pytest.mark.parametrize("job_id", ["nightly", "${{ schedule.tick }}"])
def test_an_id_that_is_the_same_for_all_items_is_warned_of(load, job_id: str) -> None:
    text = JOB + f"schedules: {{s: {{every: 1h, job: greet, foreach: shop.users, id: '{job_id}'}}}}"

    told = [message for _, _, code, message in load.told(text) if code == "T212"]

    assert told == ["all items would have one id: 'id' names nothing of the item"]
