"""What the first users do today with BullMQ, one test for each thing that this version can say."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import date
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


def test_20_an_id_is_added_only_once(origin: Origin) -> None:
    origin.add("sync", *USER, "--id", "sync-user-123")
    origin.add("sync", *USER, "--id", "sync-user-123")

    assert origin.counts("orders")["prioritized"] == 1


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


def pauses(job: JobType, count: int) -> list[int]:
    """Gives the pauses after the first attempts, in ms."""
    return [
        compute_delay_ms(job.retry.backoff, attempt, random_unit=0.5)
        for attempt in range(1, count + 1)
    ]
