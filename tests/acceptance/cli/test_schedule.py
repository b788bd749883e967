"""Schedules by hand: what is paused, over or switched off is told wherever its ticks are missed."""

from __future__ import annotations

from typing import Any

OF_NO_TICKS = """
  past: {at: '2020-01-01T00:00:00', job: sync}
  off: {every: 1h, job: sync, enabled: false}
"""


def test_a_paused_schedule_shows_as_drift_through_restarts(shop: Any) -> None:
    said = [shop.toril("schedule", "pause", "nightly").stdout for _ in range(2)]
    logs = [shop.run_all() for _ in range(2)]
    listed = {one["name"]: one for one in shop.json("schedule", "list")["schedules"]}
    of_one = shop.toril("schedule", "next", "nightly").stdout
    of_all = shop.toril("schedule", "next", "-n", "1")
    resumed = shop.toril("schedule", "resume", "nightly").stdout

    assert said == ["schedule 'nightly' is paused\n", "schedule 'nightly' was paused\n"]
    told = "schedule nightly is paused; `toril schedule resume nightly` has it tick again\n"
    assert [log.count(told) for log in logs] == [1, 1]
    assert (listed["nightly"]["paused"], listed["nightly"]["next"]) == (True, None)
    assert of_one == "no tick is ahead: schedule 'nightly' is paused\n"
    assert "often" in of_all.stdout
    assert of_all.stderr == "schedule 'nightly' is paused\n"
    assert resumed.startswith("schedule 'nightly' goes on; its next tick is 20")
    assert "nightly is paused" not in shop.run_all()


def test_schedules_that_do_not_tick_say_why(shop: Any) -> None:
    with (shop.root / "shop.yaml").open("a") as file:
        file.write(OF_NO_TICKS)

    log = shop.run_all()
    rows = shop.toril("schedule", "list").stdout.splitlines()
    ahead = [shop.toril("schedule", "next", name).stdout for name in ("past", "off")]

    assert (
        "schedule past does not tick: its instant or end had passed when it was first applied"
        in log
    )
    assert [row.split()[-3] for row in rows if row.startswith(("past ", "off "))] == ["-", "off"]
    assert ahead == [
        "no tick is ahead: the instant of schedule 'past' has passed\n",
        "no tick is ahead: schedule 'off' has 'enabled: false'\n",
    ]


def test_a_schedule_runs_now(shop: Any) -> None:
    job_id = shop.toril("schedule", "run", "nightly").stdout.strip()

    shop.run_all()

    assert job_id.startswith("nightly-now-")
    assert shop.json("job", "show", job_id)["state"] == "completed"
