"""Measures how long `toril check` takes: a big pipeline, a small one, and the bare start.

    python benchmarks/bench_check.py [--jobs 1000] [--queues 200] [--files 50] [--profile]

Targets on the reference machine: the big one under 2 s, the demo under 500 ms, `--version` under
150 ms. Prints the fastest of several runs, which the machine's other work disturbs least.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
RUNS = 5

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


def measure_ms(run: Callable[[], object]) -> float:
    """Gives the fastest of several runs."""
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times) * 1000


def run_toril(*arguments: str) -> None:
    """Runs the command as a process; fails if it does."""
    command = [str(Path(sys.executable).with_name("toril")), *arguments]
    subprocess.run(command, check=True, capture_output=True, cwd=REPOSITORY)


def profile_loading(root: Path) -> None:
    """Prints where the time goes."""
    from toril.config.loader import load_pipeline

    with cProfile.Profile() as profile:
        load_pipeline(root)
    pstats.Stats(profile).sort_stats("cumulative").print_stats(45)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--queues", type=int, default=200)
    parser.add_argument("--files", type=int, default=50)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_big_pipeline(root, jobs=options.jobs, queues=options.queues, files=options.files)
        if options.profile:
            profile_loading(root)
            return
        big_ms = measure_ms(lambda: run_toril("check", str(root)))
    size = f"{options.jobs} jobs, {options.queues} queues, {options.files} files"
    print(f"toril check, {size}: {big_ms:7.0f} ms")
    print(f"toril check pipelines (the demo): {measure_ms(lambda: run_toril('check')):7.0f} ms")
    print(f"toril --version: {measure_ms(lambda: run_toril('--version')):7.0f} ms")


if __name__ == "__main__":
    main()
