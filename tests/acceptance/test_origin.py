"""What the first users do today with BullMQ, one test for each thing that this version can say."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from toril.cli.main import main
from toril.config.loader import load_pipeline
from toril.declarations.backoff import compute_delay_ms
from toril.declarations.job_type import JobType, KeepRule

TORIL = str(Path(sys.executable).parent / "toril")
USER = ("userId=u1", "exchangeId=kraken")


class Origin:
    """The users' pipeline in a directory, and the command line upon it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def toril(self, *words: str) -> Result:
        return CliRunner().invoke(main, ["-C", str(self.root), *words])

    def add(self, *words: str) -> str:
        """Adds a job and gives its id."""
        result = self.toril("add", *words)
        assert result.exit_code == 0, result.stderr
        return result.stdout.strip()

    def show(self, job: str) -> dict[str, Any]:
        result = self.toril("job", "show", job, "--format", "json")
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)  # type: ignore[no-any-return]

    def counts(self, queue: str) -> dict[str, Any]:
        result = self.toril("status", "--format", "json")
        return json.loads(result.stdout)["queues"][queue]  # type: ignore[no-any-return]

    def run_all(self) -> str:
        """Works off all that is due, and gives what was logged."""
        done = subprocess.run(
            [TORIL, "run", str(self.root), "--until-idle"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def schedule(self, lines: str) -> None:
        (self.root / "schedules.yaml").write_text(f"schedules:\n{lines}\n")

    def job_type(self, name: str) -> JobType:
        return load_pipeline(self.root).require_pipeline().jobs[name]

    @property
    def notes(self) -> list[str]:
        return (self.root / "notes.txt").read_text(encoding="utf-8").splitlines()


@pytest.fixture
def origin(tmp_path: Path, server: Any, prefix: str, monkeypatch: pytest.MonkeyPatch) -> Origin:
    monkeypatch.setenv("ORIGIN_URL", server.url)
    monkeypatch.setenv("ORIGIN_PREFIX", prefix)
    root = tmp_path / "trading"
    skip = shutil.ignore_patterns("__pycache__", "notes.txt", ".toril")
    shutil.copytree(Path(__file__).parent / "origin", root, ignore=skip)
    return Origin(root)


def test_1_every_job_has_the_default_options(origin: Origin) -> None:
    job = origin.job_type("update-all")

    assert job.retry.attempts == 3
    assert pauses(job, 3) == [1000, 2000, 4000]
    assert origin.job_type("cleanup").keep.completed == KeepRule(count=100)
    assert origin.job_type("cleanup").keep.failed == KeepRule(count=1000)


def test_2_a_queue_has_its_own_defaults(origin: Origin) -> None:
    shown = origin.show(origin.add("bulk-sync", 'users=["a"]'))

    assert (shown["priority"], shown["max_attempts"]) == (1, 5)
    assert pauses(origin.job_type("bulk-sync"), 2) == [2000, 4000]


def test_3_a_job_reports_logs_returns_and_is_retried(origin: Origin) -> None:
    job = origin.add("sync", "userId=flaky", "exchangeId=kraken")

    origin.run_all()

    shown = origin.show(job)
    assert (shown["state"], shown["progress"], shown["attempts"]) == ("completed", 100, 2)
    assert shown["result"]["synced"] == 12
    assert origin.toril("job", "logs", job).stdout == "synced flaky from kraken\n"


def test_4_a_job_tells_progress_after_each_of_many(origin: Origin) -> None:
    job = origin.add("bulk-sync", 'users=["a", "b", "c"]')

    origin.run_all()

    assert (origin.show(job)["progress"], origin.show(job)["result"]) == (100, {"users": 3})


def test_5_listeners_are_told(origin: Origin) -> None:
    origin.add("bulk-sync", 'users=["a"]', "--id", "good")
    origin.add("call-exchange", "answer=key", "--id", "bad")

    origin.run_all()

    assert {"good is active", "good completed with {'users': 1}"} <= set(origin.notes)
    assert {"bad is active", "bad failed: the key is wrong"} <= set(origin.notes)


def test_6_up_to_five_jobs_run_at_once(origin: Origin) -> None:
    jobs = [origin.add("sync", *USER) for _ in range(12)]

    origin.run_all()

    assert max(origin.show(job)["result"]["beside"] for job in jobs) == 5


def test_7_every_user_is_synced_hourly_under_an_id_that_prevents_duplicates(
    origin: Origin,
) -> None:
    origin.schedule("""
  hourly-sync:
    every: 1h
    job: sync
    foreach: trading.users_with_exchange
    id: sync-${{ item.id }}-${{ schedule.tick }}
    data: {userId: "${{ item.id }}", exchangeId: "${{ item.exchange }}"}
    priority: "${{ item.premium ? 1 : 2 }}\"""")

    origin.run_all()

    listed = json.loads(
        origin.toril("job", "list", "orders", "completed", "--format", "json").stdout
    )["jobs"]
    [tick] = [job for job in listed if job["schedule"]]
    synced = {job["data"]["userId"]: job for job in listed if not job["schedule"]}
    assert {user: job["priority"] for user, job in synced.items()} == {"ada": 1, "bob": 2}
    assert all(job["id"].startswith(f"sync-{user}-20") for user, job in synced.items())
    again = origin.toril("job", "retry", "orders", tick["id"])
    assert again.exit_code == 0, again.stderr
    origin.run_all()
    assert origin.show(tick["id"])["result"] == {"added": 0, "there": 2}


def test_8_recurring_work_by_cron_is_kept_nowhere_when_done(origin: Origin) -> None:
    origin.schedule("""
  update-prices: {cron: "*/5 * * * *", job: update-all}
  nightly: {cron: "0 0 * * *", job: cleanup, data: {olderThanDays: 30}}""")
    origin.add("update-all")

    origin.run_all()

    assert "updated all prices" in origin.notes
    assert origin.counts("prices")["completed"] == 0
    ticks = json.loads(origin.toril("schedule", "next", "nightly", "--format", "json").stdout)
    assert ticks["ticks"][0]["at"].endswith(("T23:00:00.000Z", "T22:00:00.000Z"))


def test_9_a_reminder_in_an_hour_and_a_task_at_a_date(origin: Origin) -> None:
    soon = origin.show(origin.add("remind", "who=ada", "--delay", "1h"))
    later = origin.show(
        origin.add("remind", "who=bob", "--at", f"{date.today().year + 1}-01-01T09:00:00")
    )

    assert (soon["state"], soon["delay_ms"]) == ("delayed", 3_600_000)
    assert later["state"] == "delayed"


def test_10_what_leaves_the_yaml_is_no_longer_repeated(origin: Origin) -> None:
    origin.schedule("""
  quarterly: {every: 15m, job: remind, data: {who: all}}
  mornings: {cron: "0 9 * * *", job: remind, data: {who: all}}""")
    origin.run_all()

    origin.schedule('  mornings: {cron: "0 9 * * *", job: remind, data: {who: all}}')
    log = origin.run_all()

    assert origin.notes.count("reminded all") == 1
    assert "schedule quarterly is removed" in log
    assert origin.counts("notifications")["delayed"] == 1


@pytest.mark.parametrize(
    ("job", "expected_s"),
    [
        ("doubling", [1, 2, 4, 8, 16]),
        ("steady", [5, 5, 5]),
        ("growing", [10, 20, 30]),
        ("listed", [10, 20, 30]),
    ],
)
def test_11_pauses_grow_as_declared(origin: Origin, job: str, expected_s: list[int]) -> None:
    assert pauses(origin.job_type(job), len(expected_s)) == [s * 1000 for s in expected_s]


def test_12_what_fails_for_good_is_handled_as_a_dead_letter(origin: Origin) -> None:
    failed = origin.add("call-exchange", "answer=key")

    origin.run_all()

    alert = f"alert: call-exchange {failed} of prices: the key is wrong"
    letters = json.loads(origin.toril("dead", "list", "--format", "json").stdout)["dead_letters"]
    assert alert in origin.notes
    assert [(one["from_queue"], one["from_id"], one["data"]) for one in letters] == [
        ("prices", failed, {"answer": "key"})
    ]
    assert letters[0]["failed_at"].endswith("Z")


def test_13_a_limit_waits_a_wrong_key_fails_the_rest_is_retried(origin: Origin) -> None:
    for job_type in ("call-exchange", "picky"):
        for answer in ("limit", "key", "network", "unknown"):
            origin.add(job_type, f"answer={answer}", "--id", f"{job_type}-{answer}")

    log = origin.run_all()

    assert {job: outcome(origin.show(job)) for job in OUTCOMES} == OUTCOMES
    assert "what is this" in log


#: State and attempts of a job by the error it met; picky is retried on NetworkError only.
OUTCOMES = {
    "call-exchange-limit": ("completed", 1),
    "call-exchange-key": ("failed", 1),
    "call-exchange-network": ("completed", 2),
    "call-exchange-unknown": ("completed", 2),
    "picky-network": ("completed", 2),
    "picky-unknown": ("failed", 1),
}


def outcome(shown: dict[str, Any]) -> tuple[str, int]:
    return shown["state"], shown["attempts"]


def test_18_the_urgent_comes_first(origin: Origin) -> None:
    for who, priority in (("background", "10"), ("regular", "5"), ("urgent", "1")):
        origin.add("remind", f"who={who}", "--priority", priority)

    origin.run_all()

    reminded = [line for line in origin.notes if line.startswith("reminded")]
    assert reminded == ["reminded urgent", "reminded regular", "reminded background"]


def test_19_at_most_ten_jobs_a_second_are_started(origin: Origin) -> None:
    jobs = [origin.add("ask-api", f"who={number}") for number in range(21)]

    origin.run_all()

    starts = sorted(datetime.fromisoformat(origin.show(job)["started_at"]) for job in jobs)
    gaps = [later - earlier for earlier, later in zip(starts, starts[10:], strict=False)]
    assert len(gaps) == 11
    assert min(gaps) >= timedelta(seconds=1)


def test_20_an_id_is_added_only_once(origin: Origin) -> None:
    origin.add("sync", *USER, "--id", "sync-user-123")
    origin.add("sync", *USER, "--id", "sync-user-123")

    assert origin.counts("orders")["prioritized"] == 1


def test_20_a_job_is_left_out_while_one_for_the_same_user_is_there(origin: Origin) -> None:
    first = origin.add("once-a-user", "userId=u1", "exchangeId=kraken")
    second = json.loads(
        origin.toril(
            "add", "once-a-user", "userId=u1", "exchangeId=other", "--format", "json"
        ).stdout
    )
    origin.run_all()
    third = origin.add("once-a-user", "userId=u1", "exchangeId=kraken")

    assert second == {"id": first, "queue": "orders", "created": False}
    assert third != first


def test_21_results_are_aggregated_after_both_were_fetched(origin: Origin) -> None:
    origin.toril("flow", "start", "results", "userId=u1", "--id", "r1")

    origin.run_all()

    shown = origin.show("r1.all")
    assert shown["state"] == "completed"
    assert shown["result"] == {
        "rows": ["orders of u1", "balances of u1"],
        "steps": ["balances", "orders"],
    }


def test_22_a_job_can_be_looked_at(origin: Origin) -> None:
    job = origin.add("call-exchange", "answer=key")
    origin.run_all()

    text = origin.toril("job", "show", job).stdout

    for line in ("state         failed", "attempts      1", "error         the key is wrong"):
        assert line in text
    assert 'data          {"answer": "key"}' in text


def test_23_failed_jobs_are_retried_old_ones_cleaned_queues_paused(origin: Origin) -> None:
    failed = [origin.add("call-exchange", "answer=key") for _ in range(2)]
    origin.run_all()

    retried = origin.toril("job", "retry", "prices", "--all").stdout
    states = [origin.show(job)["state"] for job in failed]
    origin.run_all()
    young = origin.toril("queue", "clean", "prices", "--older-than", "24h", "--yes").stdout
    old = origin.toril("queue", "clean", "prices", "--yes").stdout
    origin.toril("queue", "pause", "prices")
    paused = origin.counts("prices")["paused"]
    origin.toril("queue", "resume", "prices")

    assert (retried, states) == ("retried 2 jobs of prices\n", ["waiting", "waiting"])
    assert (young, old) == ("removed 0 jobs of prices\n", "removed 2 jobs of prices\n")
    assert (paused, origin.counts("prices")["paused"]) == (True, False)


def test_24_jobs_time_out_and_are_safe_to_run_twice(origin: Origin) -> None:
    slow, charge = origin.add("slow"), origin.add("charge")

    origin.run_all()

    assert origin.show(slow)["error"] == "job timed out after 100ms"
    shown = origin.show(charge)
    assert (shown["result"], shown["attempts"]) == ("receipt 1", 2)
    assert shown["durable_steps"] == {"charge": "receipt 1"}
    assert origin.notes.count("charged") == 1


def pauses(job: JobType, count: int) -> list[int]:
    """Gives the pauses after the first attempts, in ms."""
    return [
        compute_delay_ms(job.retry.backoff, attempt, random_unit=0.5)
        for attempt in range(1, count + 1)
    ]
