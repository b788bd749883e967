"""The commands that look at queues, jobs, schedules, plugins and the server, and move jobs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from toril.sync_client import SyncClient

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def test_status_counts_every_declared_queue(shop: Any) -> None:
    shop.toril("add", "sync")
    shop.toril("add", "mail", "--delay", "1h")
    shop.toril("queue", "pause", "mails")

    queues = shop.json("status")["queues"]
    table = shop.toril("status").stdout

    empty = dict.fromkeys(
        ("waiting", "prioritized", "delayed", "active", "waiting_children", "completed", "failed"),
        0,
    )
    assert queues["orders"] == {**empty, "waiting": 1, "paused": False, "workers": 0}
    assert queues["mails"] == {**empty, "delayed": 1, "paused": True, "workers": 0}
    assert table.splitlines() == [
        "queue           waiting  delayed  active  completed  failed  workers",
        "orders                1        0       0          0       0        0",
        "mails (paused)        0        1       0          0       0        0",
        "abroad                0        0       0          0       0        0",
    ]


def test_a_queue_is_paused_and_resumed_once(shop: Any) -> None:
    said = [
        shop.toril("queue", word, "orders").stdout
        for word in ("resume", "pause", "pause", "resume")
    ]

    assert said == [
        "orders was not paused\n",
        "paused orders\n",
        "orders was paused already\n",
        "resumed orders\n",
    ]
    assert shop.json("queue", "pause", "orders") == {
        "queue": "orders",
        "paused": True,
        "changed": True,
    }
    assert [q["paused"] for q in shop.json("queue", "list")["queues"]] == [True, False, False]


def test_the_queues_are_listed_with_their_settings(shop: Any) -> None:
    lines = shop.toril("queue", "list").stdout.splitlines()

    assert lines[1].split() == ["orders", "3", "toril", "10s", "0", "no"]
    assert lines[3].split() == ["abroad", "10", "external", "30s", "0", "no"]


def test_finished_jobs_are_shown_listed_and_retried(shop: Any) -> None:
    shop.toril("add", "sync", "user=u1", "--id", "good")
    shop.toril("add", "sync", "user=nobody", "--id", "bad")
    shop.run_all()

    good = shop.json("job", "show", "orders", "good")
    assert {name: good[name] for name in ("id", "queue", "name", "state", "data", "result")} == {
        "id": "good",
        "queue": "orders",
        "name": "sync",
        "state": "completed",
        "data": {"user": "u1"},
        "result": {"synced": 5},
    }
    assert (good["error"], good["attempts"], good["progress"]) == (None, 1, 100)
    assert all(ISO.fullmatch(good[at]) for at in ("added_at", "started_at", "finished_at"))
    assert shop.json("job", "logs", "good")["logs"] == ["synced u1"]
    assert shop.toril("job", "logs", "orders", "bad").stdout == "synced nobody\n"
    (bad,) = shop.json("job", "list", "orders", "failed")["jobs"]
    assert (bad["id"], bad["error"]) == ("bad", "no such user")
    assert "no such user" in shop.toril("job", "list", "orders", "failed").stdout
    assert re.search(r"^error +no such user$", shop.toril("job", "show", "bad").stdout, re.M)

    again = shop.toril("job", "retry", "bad")

    assert (again.exit_code, again.stdout) == (0, "retried job 'bad' of queue 'orders'\n")
    assert shop.json("job", "show", "bad")["state"] == "waiting"


def test_a_job_is_promoted_and_removed(shop: Any) -> None:
    shop.toril("add", "sync", "--delay", "1h", "--id", "later")

    promoted = shop.json("job", "promote", "orders", "later")
    removed = shop.json("job", "remove", "later")

    assert promoted == {"id": "later", "queue": "orders", "done": "promoted", "state": "waiting"}
    assert removed == {"id": "later", "queue": "orders", "done": "removed", "state": None}


def test_a_run_is_cancelled_whole_or_from_one_job_down(shop: Any) -> None:
    for run in ("r1", "r2"):
        shop.toril("flow", "start", "evening", "user=u1", "--id", run)

    first = shop.json("flow", "cancel", "r1", "--reason", "no report today")
    again = shop.toril("flow", "cancel", "r1")
    shop.toril("job", "cancel", "r2.send", "--children")
    second = shop.json("flow", "show", "r2")["steps"]

    assert first["run"] == "r1"
    assert set(first["cancelled"]) == set(second)
    assert (again.exit_code, again.stderr) == (
        1,
        "error: all steps of run 'r1' of flow 'evening' have ended\n",
    )
    assert {step["state"] for step in second.values()} == {"failed"}


def test_a_job_is_cancelled(shop: Any) -> None:
    shop.toril("add", "sync", "--delay", "1h", "--id", "later")

    cancelled = shop.json("job", "cancel", "later", "--reason", "not now")
    again = shop.toril("job", "cancel", "later")
    shown = shop.json("job", "show", "later")

    assert cancelled == {"id": "later", "queue": "orders", "cancel": "cancelled"}
    assert (shown["state"], shown["error"], shown["cancelled"]) == (
        "failed",
        "cancelled: not now",
        True,
    )
    assert again.exit_code == 1
    assert "only an unfinished job can be cancelled" in again.stderr


def test_jobs_are_listed_newest_first_in_pages(shop: Any) -> None:
    for job_id in ("a", "b", "c"):
        shop.toril("add", "sync", "--id", job_id)

    def listed(*words: str) -> list[str]:
        return [job["id"] for job in shop.json("job", "list", "orders", "waiting", *words)["jobs"]]

    assert listed() == ["c", "b", "a"]
    assert listed("--limit", "1", "--skip", "1") == ["b"]
    assert shop.toril("job", "list", "mails", "active").stdout == "no job of 'mails' is active\n"


@pytest.mark.parametrize(
    ("words", "exit_code", "line"),
    [
        (["show", "x"], 1, "error: no job 'x' in any declared queue"),
        (["show", "orders", "x"], 1, "error: no job 'x' in queue 'orders'"),
        (
            ["show", "mails", "a"],
            1,
            "error: no job 'a' in queue 'mails'; did you mean queue 'orders'?",
        ),
        (["show", "order", "a"], 2, "error: no queue 'order'; did you mean 'orders'?"),
        (["list", "order", "failed"], 2, "error: no queue 'order'; did you mean 'orders'?"),
        (["list", "orders", "faild"], 2, "'faild' is not one of 'waiting'"),
        (["logs", "x"], 1, "error: no job 'x' in any declared queue"),
        (["retry", "a"], 1, "error: job 'a' of queue 'orders' is waiting; only a failed or comple"),
        (["promote", "a"], 1, "error: job 'a' of queue 'orders' is waiting; only a delayed job"),
        (["show", "orders", "a", "b"], 2, "expected [QUEUE] ID, got 3 words"),
    ],
)
def test_a_job_that_is_not_there_or_not_so_is_one_line(
    shop: Any, words: list[str], exit_code: int, line: str
) -> None:
    shop.toril("add", "sync", "--id", "a")

    result = shop.toril("job", *words)

    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert line in result.stderr


def test_an_id_in_two_queues_has_to_be_told_apart(shop: Any) -> None:
    shop.toril("add", "sync", "--id", "a")
    shop.toril("add", "mail", "--id", "a")

    result = shop.toril("job", "show", "a")

    assert result.exit_code == 2
    assert "job 'a' is in several queues (orders, mails); name one before it" in result.stderr


def test_a_job_that_a_peer_stored_wrongly_is_still_shown(
    shop: Any, prefix: str, redis_sync: Any
) -> None:
    fields = {"name": "odd", "data": "{not json", "opts": "[]", "timestamp": "1000"}
    redis_sync.hset(f"{prefix}:orders:odd-1", mapping=fields)
    redis_sync.lpush(f"{prefix}:orders:wait", "odd-1")

    (found,) = shop.json("job", "list", "orders", "waiting")["jobs"]

    assert (found["id"], found["data"]) == ("odd-1", "{not json")
    assert found["added_at"] == "1970-01-01T00:00:01.000Z"


def test_schedules_are_listed_before_and_after_they_tick(shop: Any) -> None:
    before = shop.json("schedule", "list")["schedules"]
    shop.run_all()
    after = {one["name"]: one for one in shop.json("schedule", "list")["schedules"]}

    assert before[0] == {
        "name": "nightly",
        "declared": True,
        "target": "sync",
        "next": None,
        "last": None,
        "paused": False,
        "ticks": 0,
    }
    assert ISO.fullmatch(after["nightly"]["next"])
    assert (after["nightly"]["last"], after["nightly"]["ticks"]) == (None, 0)
    assert after["often"]["target"] == "flow evening"
    assert ISO.fullmatch(after["often"]["last"])
    assert after["often"]["ticks"] == 1


def test_schedules_that_others_made_are_listed_as_not_declared(shop: Any) -> None:
    with SyncClient.from_config(shop.root) as client:
        client.schedules("orders").upsert("mine", "sync", {}, every="2h")
        client.schedules("mails").upsert("nightly", "mail", {}, cron="0 3 * * *", timezone="UTC")

    listed = shop.json("schedule", "list")["schedules"]
    rows = shop.toril("schedule", "list").stdout.splitlines()

    assert [(one["name"], one["declared"], one["target"]) for one in listed] == [
        ("nightly", True, "sync"),
        ("often", True, "flow evening"),
        ("nightly", False, "mail"),
        ("mine", False, "sync"),
    ]
    assert [row.split()[:4] for row in rows[3:]] == [
        ["nightly", "0", "3", "*"],
        ["mine", "every", "2h", "no"],
    ]


def test_the_next_ticks_come_in_order(shop: Any) -> None:
    ticks = shop.json("schedule", "next", "-n", "5")["ticks"]
    nightly = shop.toril("schedule", "next", "nightly", "-n", "1").stdout.splitlines()
    wrong = shop.toril("schedule", "next", "nigthly")

    assert [tick["at"] for tick in ticks] == sorted(tick["at"] for tick in ticks)
    assert len(ticks) == 5
    assert ticks[0]["schedule"] == "often"
    assert nightly[1].split()[1:] == ["nightly", "sync"]
    assert (wrong.exit_code, wrong.stderr) == (
        2,
        "error: no schedule 'nigthly'; did you mean 'nightly'?\n",
    )


def test_plugins_are_listed_with_what_they_bring(shop: Any) -> None:
    listed = {one["name"]: one for one in shop.json("plugin", "list")["plugins"]}
    shown = shop.toril("plugin", "show", "shop_code").stdout

    assert listed["core"]["state"] == "loaded"
    assert listed["shop_code"]["brought"] == {"processor": ["shop.sync", "shop.mail"]}
    assert "processor  shop.sync  with page_size [start]\n" in shown
    assert shop.json("plugin", "show", "shop_code")["params"]["shop.sync"]


def test_a_plugin_that_fails_is_listed_with_the_reason(shop: Any) -> None:
    (shop.root / "shop_code.py").write_text("import nothing_of_that_name\n")

    listed = {one["name"]: one for one in shop.json("plugin", "list")["plugins"]}
    wrong = shop.toril("plugin", "show", "shop-code")

    assert listed["shop_code"]["state"] == "failed"
    assert "No module named 'nothing_of_that_name'" in listed["shop_code"]["error"]
    assert (wrong.exit_code, wrong.stderr) == (
        2,
        "error: no plugin 'shop-code'; did you mean 'shop_code'?\n",
    )


def test_the_doctor_says_where_the_jobs_are_and_what_endangers_them(shop: Any) -> None:
    shop.toril("add", "sync")

    result = shop.toril("doctor", "--fsck", "--format", "json")

    report = json.loads(result.stdout)
    assert (result.exit_code, report["redis"]["persistence"]) == (1, "none")
    assert [one["message"] for one in report["findings"]] == [
        "nothing is kept on disk: a restart loses every job; set appendonly to yes"
    ]


def test_the_doctor_finds_keys_that_do_not_agree(shop: Any, prefix: str, redis_sync: Any) -> None:
    redis_sync.lpush(f"{prefix}:orders:wait", "ghost")

    result = shop.toril("doctor", "--fsck")

    assert result.exit_code == 1
    assert "found: queue orders: wait lists job 'ghost', which does not exist" in result.stdout


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["add", "sync"],
        ["flow", "start", "evening", "user=u"],
        ["job", "show", "a"],
        ["job", "list", "orders", "failed"],
        ["job", "retry", "a"],
        ["job", "remove", "a"],
        ["job", "promote", "a"],
        ["job", "logs", "a"],
        ["queue", "list"],
        ["queue", "pause", "orders"],
        ["queue", "resume", "orders"],
        ["schedule", "list"],
        ["schedule", "next"],
        ["doctor"],
    ],
)
def test_without_redis_every_command_is_one_line_and_exit_code_3(
    make_shop: Callable[[str], Any], tmp_path: Any, words: list[str]
) -> None:
    shop = make_shop(f"unix://{tmp_path}/nothing.sock")

    result = shop.toril(*words)

    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.count("\n") == 1
    assert f"error: Redis at unix://{tmp_path}/nothing.sock does not answer" in result.stderr


def test_a_pipeline_with_problems_is_exit_code_1_and_all_of_them(shop: Any) -> None:
    (shop.root / "wrong.yaml").write_text("queues: {a: {concurency: 1}}\n")

    result = shop.toril("status")

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: the configuration has 1 problem\n")
    assert "unknown key 'concurency'" in result.stderr


def test_the_new_pipeline_of_init_runs(shop: Any) -> None:
    """As a stranger does it: init, run, look; on an embedded server of its own."""
    shop.toril("init", str(shop.root / "hello"))
    hello = type(shop)(shop.root / "hello")

    hello.run_all()

    (greeting,) = hello.json("job", "list", "greetings", "completed")["jobs"]
    assert greeting["result"] == {"text": "Hello, world!"}
    assert hello.json("doctor", "--fsck")["findings"] == []
