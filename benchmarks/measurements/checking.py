"""How long `toril check` takes: a big pipeline, the demo, and the bare start.

To see where the time goes: `python -m cProfile -s cumulative .venv/bin/toril check DIR`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness.bench import Bench, Values
from benchmarks.harness.contenders import ROOT
from benchmarks.report.results import Metric

JOBS, QUEUES, FILES = 1_000, 200, 50

TOP = """\
version: 1
plugins: {paths: [processors.py]}
defaults:
  timezone: Europe/Zurich
  job: {retry: {attempts: 3, backoff: {type: exponential, delay: 1s, max: 5m, jitter: 0.2}}}
"""

PROCESSORS = """\
import msgspec
from toril import Job, hookimpl, processor

class Params(msgspec.Struct):
    page_size: int = 100
    mode: str = "fast"

@processor("bench.sync", params=Params)
async def sync(job: Job, params: Params) -> None:
    pass

@hookimpl
def toril_processors():
    return [sync]
"""

QUEUE = """\
  queue-{n}:
    concurrency: {concurrency}
    stalled: {{every: 30s, limit: 1}}
    job: {{retry: 5}}
"""

JOB = """\
  job-{n}:
    queue: queue-{queue}
    use: bench.sync
    with: {{page_size: {n}, mode: "full"}}
    data_schema:
      type: object
      required: [user_id, page_{n}]
      properties:
        user_id: {{type: string, minLength: 1}}
        page_{n}: {{type: integer, minimum: 0}}
        tags: {{type: array, items: {{type: string}}}}
    retry:
      attempts: 5
      backoff: {{type: exponential, delay: 2s, max: 5m, jitter: 0.5}}
      on: [NetworkError, TimeoutError]
    timeout: 30s
    priority: {priority}
    keep: {{completed: {{count: 100, age: 7d}}, failed: {{count: 1000}}}}
"""

SCHEDULE = """\
  schedule-{n}:
    cron: "{minute} * * * *"
    job: job-{n}
    data: {{user_id: "u{n}", page_{n}: {n}}}
"""


def write_big_pipeline(root: Path, *, jobs: int, queues: int, files: int) -> None:
    """Writes a pipeline of so many jobs, a tenth of them scheduled, spread over the files."""
    (root / "toril.yaml").write_text(TOP)
    (root / "processors.py").write_text(PROCESSORS)
    for number in range(files):
        mine = range(number, jobs, files)
        parts = ["queues:\n"]
        parts += [QUEUE.format(n=n, concurrency=n % 20 + 1) for n in range(number, queues, files)]
        parts += ["jobs:\n"]
        parts += [JOB.format(n=n, queue=n % queues, priority=n % 10) for n in mine]
        parts += ["schedules:\n"]
        parts += [SCHEDULE.format(n=n, minute=n % 60) for n in mine if n % 10 == number % 10]
        (root / f"file-{number:03}.yaml").write_text("".join(parts))


class Checking:
    """Runs the command as a process."""

    name = "check"
    title = "The `toril` command, from its start to its end"
    metrics = (Metric(name="took", title="took", unit="ms"),)
    on_request = False

    def run(self, bench: Bench) -> Iterator[tuple[str, Values]]:
        """Measures each command line once a round."""
        with tempfile.TemporaryDirectory(prefix="toril-bench-") as folder:
            write_big_pipeline(Path(folder), jobs=JOBS, queues=QUEUES, files=FILES)
            commands = {
                f"check of {JOBS:,} jobs, {QUEUES} queues, {FILES} files": ["check", folder],
                "check of the demo in pipelines/": ["check"],
                "--version": ["--version"],
            }
            for _ in range(bench.rounds):
                for row, arguments in commands.items():
                    start = time.perf_counter()
                    run_toril(*arguments)
                    yield row, {"took": (time.perf_counter() - start) * 1000}


def run_toril(*arguments: str) -> None:
    """Runs the command; fails if it does."""
    command = [str(Path(sys.executable).with_name("toril")), *arguments]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
