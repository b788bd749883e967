"""Loading a directory."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from toril.config.loader import load_pipeline
from toril.declarations.backoff import Backoff
from toril.declarations.flow import Flow, Step
from toril.declarations.job_type import JobType, Keep, KeepRule, Retry
from toril.declarations.pipeline import RedisSettings
from toril.declarations.queue import Queue
from toril.declarations.schedule import Schedule
from toril.errors import ConfigurationError

TOP = """\
version: 1
project: trading
redis: {url: "${REDIS_URL:-embedded}", prefix: "{bull}", announce_workers: false, fsync: always}
defaults:
  timezone: Europe/Zurich
  job:
    retry: {attempts: 3, backoff: {type: exponential, delay: 1s, max: 5m, jitter: 0.2}}
    timeout: 5m
    keep: {completed: {count: 100}}
  queue: {concurrency: 10, stalled: {every: 10s}}
"""

QUEUES = """\
queues:
  orders:
    concurrency: 5
    lock: 1m
    stalled: {limit: 1}
    max_payload: 10kb
    metrics: 14d
    job: {retry: 5, priority: 2}
  mails:
  partner: {served_by: external}
"""

JOBS = """\
jobs:
  sync-orders:
    queue: orders
    use: shop.sync
    with: {page_size: 200, x-note: not for the processor}
    data_schema: {type: object, required: [user_id]}
    retry: {backoff: {delay: 2s}, on: [NetworkError], never_on: [shop.errors.Refused]}
    timeout: 30s
    priority: 1
    run_in: async
    keep: {completed: {age: 7d}}
  greet: {queue: mails, use: shop.greet, retry: {backoff: {type: list, delays: [1s, 1m]}}}
  ship: {queue: partner, retry: {backoff: {type: shop.patient, base: 3}}}
flows:
  daily:
    inputs: {type: object, properties: {report_id: {type: string}}}
    steps:
      orders: {job: sync-orders, data: {user_id: "${{ inputs.report_id }}"}}
      mail: {job: greet, needs: [orders], data: "${{ needs.orders.result }}"}
schedules:
  hourly: {cron: "0 * * * *", job: sync-orders, data: {user_id: u1}, priority: 3}
  often: {every: 15m, flow: daily, data: {report_id: r1}}
  once: {at: 2027-01-01T09:00:00, timezone: Asia/Tokyo, job: greet}
"""


@pytest.fixture
def pipeline(load):
    loaded = load(JOBS, top=TOP, queues=QUEUES)
    assert [p for p in loaded.problems if p.severity == "error"] == []
    return loaded.require_pipeline()


def test_the_project_and_its_redis_are_read(pipeline, tmp_path: Path) -> None:
    assert pipeline.root == tmp_path.resolve()
    assert pipeline.project == "trading"
    assert pipeline.redis == RedisSettings(
        url="embedded", prefix="{bull}", announce_workers=False, fsync="always"
    )


def test_queues_stand_over_their_defaults(pipeline) -> None:
    assert pipeline.queues["orders"] == Queue(
        name="orders",
        concurrency=5,
        lock_ms=60_000,
        stalled_every_ms=10_000,
        stalled_limit=1,
        max_payload=10_240,
        metrics_minutes=20_160,
    )
    assert pipeline.queues["mails"] == Queue(name="mails", concurrency=10, stalled_every_ms=10_000)
    assert pipeline.queues["partner"].served_by == "external"


def test_jobs_stand_over_their_queue_and_the_defaults(pipeline) -> None:
    assert pipeline.jobs["sync-orders"] == JobType(
        name="sync-orders",
        queue="orders",
        use="shop.sync",
        params={"page_size": 200},
        data_schema={"type": "object", "required": ["user_id"]},
        retry=Retry(
            attempts=5,
            backoff=Backoff(type="exponential", delay_ms=2000, max_ms=300_000, jitter=0.2),
            on=("NetworkError",),
            never_on=("shop.errors.Refused",),
        ),
        timeout_ms=30_000,
        priority=1,
        run_in="async",
        keep=Keep(completed=KeepRule(count=100, age_ms=604_800_000)),
    )


def test_backoffs_of_other_types_are_read(pipeline) -> None:
    assert pipeline.jobs["greet"].retry.backoff == Backoff(
        type="list", delay_ms=1000, max_ms=300_000, jitter=0.2, delays_ms=(1000, 60_000)
    )
    assert pipeline.jobs["ship"].retry.backoff.options == {"base": 3}


def test_flows_keep_their_expressions(pipeline) -> None:
    assert pipeline.flows["daily"] == Flow(
        name="daily",
        inputs={"type": "object", "properties": {"report_id": {"type": "string"}}},
        steps={
            "orders": Step(
                name="orders", job="sync-orders", data={"user_id": "${{ inputs.report_id }}"}
            ),
            "mail": Step(
                name="mail", job="greet", needs=("orders",), data="${{ needs.orders.result }}"
            ),
        },
    )


def test_schedules_carry_their_time_zone(pipeline) -> None:
    assert list(pipeline.schedules.values()) == [
        Schedule(
            name="hourly",
            cron="0 * * * *",
            timezone="Europe/Zurich",
            job="sync-orders",
            data={"user_id": "u1"},
            priority=3,
        ),
        Schedule(
            name="often",
            every_ms=900_000,
            timezone="Europe/Zurich",
            flow="daily",
            data={"report_id": "r1"},
        ),
        Schedule(name="once", at_ms=1_798_761_600_000, timezone="Asia/Tokyo", job="greet"),
    ]


def test_the_least_that_can_be_said_is_a_pipeline(load, tmp_path: Path) -> None:
    loaded = load(queues="")

    assert loaded.problems == ()
    assert loaded.require_pipeline().project == tmp_path.name
    assert loaded.require_pipeline().redis == RedisSettings()


def test_a_job_without_settings_has_the_built_in_ones(load) -> None:
    pipeline = load("jobs: {greet: {queue: orders, use: shop.greet}}").require_pipeline()

    assert pipeline.jobs["greet"] == JobType(name="greet", queue="orders", use="shop.greet")


def test_a_small_pipeline_fits_into_one_file(load) -> None:
    top = "version: 1\nqueues: {a: {}}\njobs: {greet: {queue: a, use: shop.greet}}\n"

    assert load(top=top, queues="").require_pipeline().jobs["greet"].queue == "a"


def test_variables_are_typed_where_a_number_or_boolean_is_wanted(load) -> None:
    top = 'version: 1\nredis: {announce_workers: "${OFF}"}\n'
    jobs = """
jobs:
  sync:
    queue: orders
    use: shop.sync
    with: {page_size: "${N}", ratio: "${HALF}", key: "${N}"}
    data_schema: {minProperties: "${N}", title: "${N}"}
    retry: ${N}
    timeout: ${N}s
    priority: ${N:-1}
"""
    loaded = load(jobs, top=top, environ={"N": "7", "HALF": "0.5", "OFF": "false"})
    job = loaded.require_pipeline().jobs["sync"]

    assert loaded.require_pipeline().redis.announce_workers is False
    assert job.params == {"page_size": 7, "ratio": 0.5, "key": "7"}
    assert job.data_schema == {"minProperties": 7, "title": "7"}
    assert (job.retry.attempts, job.timeout_ms, job.priority) == (7, 7000, 7)


def test_a_variable_that_does_not_fit_is_not_shown(load) -> None:
    text = "jobs: {greet: {queue: orders, use: shop.greet, priority: '${SECRET}'}}"
    loaded = load(text, environ={"SECRET": "hunter2"})

    assert "hunter2" not in str(loaded.problems[0])
    assert loaded.problems[0].message == (
        "expected a priority from 0 to 2097151, got the value of ${SECRET} for jobs.greet.priority"
    )


def test_a_secret_passes_where_text_is_wanted(load) -> None:
    top = "version: 1\nredis: {url: secret://env/REDIS}\n"
    text = """
jobs:
  sync: {queue: orders, use: shop.sync, with: {key: secret://env/KEY, mode: secret://file/m}}
"""

    assert load(text, top=top).problems == ()


def test_a_secret_does_not_pass_where_a_number_is_wanted(load) -> None:
    text = "jobs: {s: {queue: orders, use: shop.sync, with: {page_size: secret://env/N}}}"

    assert load.told(text) == [
        (
            *(1, 61, "T103"),
            "expected a whole number, got 'secret://env/N' for jobs.s.with.page_size",
        )
    ]


def test_a_directory_without_a_root_file_is_no_pipeline(tmp_path: Path) -> None:
    loaded = load_pipeline(tmp_path)

    assert [str(p) for p in loaded.problems] == [
        f"{tmp_path}:1:1 T100 no toril.yaml in this directory\n"
        f"      hint: `toril init {tmp_path}` writes a small pipeline"
    ]
    assert loaded.pipeline is None


def test_a_directory_that_is_not_there_is_no_pipeline(tmp_path: Path) -> None:
    loaded = load_pipeline(tmp_path / "gone")

    assert [p.message for p in loaded.problems] == ["no such directory"]


def test_requiring_a_pipeline_that_has_errors_raises_them_all(load) -> None:
    loaded = load("jobs: {a: {queue: orders}, b: {queue: orders}}")

    with pytest.raises(ConfigurationError, match=r"^the configuration has 2 problems$") as caught:
        loaded.require_pipeline()
    assert caught.value.problems == loaded.problems


def test_while_a_file_cannot_be_read_its_names_are_not_missed(load) -> None:
    files = {"jobs.yaml": "jobs: {a: {queue: there, use: shop.greet}}", "there.yaml": "queues: ["}

    assert [p.code for p in load(files).problems] == ["T101"]


def test_other_files_are_checked_when_the_root_file_is_broken(load) -> None:
    loaded = load("jobs: {a: {queue: orders, use: shop.greet, timeout: 5}}", top="version: [")

    assert [p.code for p in loaded.problems] == ["T103", "T101"]


def test_problems_are_sorted_by_their_place(load) -> None:
    files = {"b.yaml": "jobs: {a: 1, b: 2}", "a.yaml": "jobs: {c: 1,\n d: 2}"}

    places = [(Path(p.file).name, p.line, p.column) for p in load(files).problems]

    assert places == [("a.yaml", 1, 11), ("a.yaml", 2, 5), ("b.yaml", 1, 11), ("b.yaml", 1, 17)]


def test_a_problem_of_something_used_twice_is_told_once(load) -> None:
    text = """
x-retry: &retry {attempts: 5, backoff: {type: shop.patience}}
jobs:
  a: {queue: orders, use: shop.greet, retry: *retry}
  b: {queue: orders, use: shop.greet, retry: *retry}
"""

    assert load.told(text) == [(2, 47, "T206", "no plugin supplies a backoff type 'shop.patience'")]


def test_anchors_and_merge_keys_work_inside_a_file(load) -> None:
    text = """
x-defaults: &defaults
  queue: orders
  use: shop.greet
  retry: {attempts: 5}
jobs:
  a: *defaults
  b: {<<: *defaults, queue: mails}
"""
    jobs = load(text).require_pipeline().jobs

    assert [(j.queue, j.retry.attempts) for j in jobs.values()] == [("orders", 5), ("mails", 5)]


def test_loading_leaves_the_garbage_collector_as_it_was(tmp_path: Path) -> None:
    assert gc.isenabled()

    load_pipeline(tmp_path)
    assert gc.isenabled()

    gc.disable()
    try:
        load_pipeline(tmp_path)
        assert not gc.isenabled()
    finally:
        gc.enable()
