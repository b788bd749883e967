"""`toril add` and `toril flow start`."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest


def test_add_prints_the_id_alone(shop: Any) -> None:
    result = shop.toril("add", "sync", "user=u1", "--id", "sync-u1")

    assert (result.exit_code, result.stdout, result.stderr) == (0, "sync-u1\n", "")
    assert shop.json("job", "show", "sync-u1")["data"] == {"user": "u1"}


def test_add_tells_programs_whether_the_job_is_new(shop: Any) -> None:
    first = shop.json("add", "sync", "--id", "a")
    second = shop.json("add", "sync", "--id", "a")

    assert first == {"id": "a", "queue": "orders", "created": True}
    assert second == {"id": "a", "queue": "orders", "created": False}


def test_the_options_of_add_decide_when_a_job_runs(shop: Any) -> None:
    shop.toril("add", "sync", "--delay", "1h")
    shop.toril("add", "sync", "--at", "2030-01-01T09:00:00")
    shop.toril("add", "sync", "--priority", "2")
    shop.toril("add", "sync", "--lifo")

    counts = shop.json("status")["queues"]["orders"]
    assert (counts["delayed"], counts["prioritized"], counts["waiting"]) == (2, 1, 1)


@pytest.mark.parametrize(
    ("words", "exit_code", "line"),
    [
        (["snyc"], 2, "error: no job type 'snyc'; did you mean 'sync'?"),
        (["sync", "user"], 2, "expected key=value, got 'user'"),
        (["sync", "--delay", "soon"], 2, "expected a duration such as 30s, 5m or 1h30m"),
        (["sync", "--at", "soon"], 2, "expected an instant such as 2027-01-01T09:00:00"),
        (["sync", "--timeout", "5s"], 2, "--timeout needs --wait"),
        (["sync", "--delay", "1s", "--at", "2030-01-01"], 2, "--delay and --at cannot be given"),
        (["sync", "user=7"], 1, "error: data of job 'sync': expected text, got 7 for data.user"),
        (["sync", "--id", "7"], 1, "error: job id '7' is an integer"),
        (["sync", "--data", '"' + "x" * 2**20 + '"'], 1, "error: data of job 'sync' is 1048578"),
    ],
)
def test_a_wrong_add_stores_nothing_and_says_why(
    shop: Any, words: list[str], exit_code: int, line: str
) -> None:
    result = shop.toril("add", *words)

    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert line in result.stderr
    assert sum(shop.json("status")["queues"]["orders"][s] for s in ("waiting", "delayed")) == 0


def test_add_and_wait_prints_the_result_or_exits_with_1(shop: Any) -> None:
    good = shop.start("add", "sync", "user=u1", "--wait")
    bad = shop.start("add", "sync", "user=nobody", "--wait", "--timeout", "20s")
    told = [process.stderr.readline() for process in (good, bad)]

    shop.run_all()

    assert json.loads(good.communicate(timeout=10)[0]) == {"synced": 5}
    assert good.returncode == 0
    _, error = bad.communicate(timeout=10)
    assert (bad.returncode, "failed: no such user" in error) == (1, True)
    assert (
        told
        == [f"no worker serves queue 'orders' now; start one with `toril run {shop.root}`\n"] * 2
    )


def test_ctrl_c_ends_the_wait_and_says_what_goes_on(shop: Any) -> None:
    waiting = shop.start("add", "sync", "--id", "later", "--delay", "1h", "--wait")
    assert waiting.stderr.readline().startswith("no worker serves queue 'orders'")

    waiting.send_signal(signal.SIGINT)

    _, said = waiting.communicate(timeout=10)
    assert waiting.returncode == 1
    assert said.endswith("no longer waiting for job 'later' of queue 'orders'; it goes on\n")


def test_a_wait_that_takes_too_long_exits_with_1(shop: Any) -> None:
    result = shop.toril("add", "sync", "--wait", "--timeout", "50ms")

    assert result.exit_code == 1
    assert "has not finished within 50ms" in result.stderr


def test_a_flow_is_started_by_name_with_inputs(shop: Any) -> None:
    plain = shop.toril("flow", "start", "evening", "user=u1", "--id", "r1")
    view = shop.json("flow", "start", "evening", "user=u1", "--id", "r1")

    assert (plain.exit_code, plain.stdout) == (0, "r1\n")
    assert view == {
        "run": "r1",
        "flow": "evening",
        "state": "waiting",
        "steps": {
            "fetch": {"state": "waiting", "job": "r1.fetch", "result": None, "error": None},
            "send": {"state": "waiting", "job": "r1.send", "result": None, "error": None},
        },
    }


def test_a_flow_and_wait_shows_every_step(shop: Any) -> None:
    waiting = shop.start("flow", "start", "evening", "user=u1", "--wait", "--format", "json")
    failing = shop.start("flow", "start", "evening", "user=nobody", "--id", "r2", "--wait")
    careless = shop.start("flow", "start", "careless", "--wait", "--format", "json")
    for process in (waiting, failing, careless):
        process.stderr.readline()

    shop.run_all()

    view = json.loads(waiting.communicate(timeout=10)[0])
    assert (waiting.returncode, view["state"]) == (0, "completed")
    assert view["steps"]["send"]["result"] == "sent {'n': 5}"
    text, _ = failing.communicate(timeout=10)
    assert failing.returncode == 1
    assert text.splitlines() == [
        "run r2 of evening failed",
        "step   state   result or error",
        "fetch  failed  no such user",
        "send   failed  step 'fetch' failed",
    ]
    steps = json.loads(careless.communicate(timeout=10)[0])["steps"]
    assert (careless.returncode, steps["fetch"]["state"]) == (1, "completed")
    assert steps["send"]["error"] == (
        "the job's data cannot be made: data of job 'mail': "
        "expected a whole number, got a map for data.n"
    )


@pytest.mark.parametrize(
    ("words", "exit_code", "line"),
    [
        (["evning"], 2, "error: no flow 'evning'; did you mean 'evening'?"),
        (["evening"], 1, "error: inputs of flow 'evening': missing key 'user'"),
        (["evening", "user=7"], 1, "error: data of job 'sync': expected text, got 7 for data.user"),
    ],
)
def test_a_wrong_flow_start_stores_nothing_and_says_why(
    shop: Any, words: list[str], exit_code: int, line: str
) -> None:
    result = shop.toril("flow", "start", *words)

    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert line in result.stderr
