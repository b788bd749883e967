"""A contender's worker processes while they run: started, watched, killed."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.harness.contenders import ROOT, Contender
from benchmarks.harness.processes import (
    die_with_parent,
    find_tree,
    kill_tree,
    read_rss_mb,
    read_tree_cpu_s,
)
from benchmarks.harness.server import Server
from benchmarks.marks import Progress, read_pickups_ms, read_progress

#: How often the counters are read.
EVERY_S = 0.01
#: A worker that does nothing for so long will not do it any more.
PATIENCE_S = 20.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """What was reached at an instant, at what price."""

    progress: Progress
    server_cpu_s: float
    workers_cpu_s: float


class Workers:
    """Worker processes of one contender."""

    def __init__(
        self, contender: Contender, server: Server, processes: list[subprocess.Popen[bytes]]
    ) -> None:
        self._contender = contender
        self._server = server
        self._processes = processes

    def sample(self) -> Sample:
        """Reads how far they are, and what it took."""
        return Sample(
            progress=self.read_progress(),
            server_cpu_s=self._server.read_cpu_s(),
            workers_cpu_s=sum(read_tree_cpu_s(process.pid) for process in self._processes),
        )

    def read_progress(self) -> Progress:
        """Reads how many jobs ran."""
        return read_progress(self._contender.place.marks)

    def read_rss_mb(self) -> list[float]:
        """Gives what each of their processes holds in RAM, the largest first."""
        pids = [pid for process in self._processes for pid in find_tree(process.pid)]
        return sorted((read_rss_mb(pid) for pid in pids), reverse=True)

    def read_pickups_ms(self) -> list[float]:
        """Gives the noted times from adding to running."""
        return read_pickups_ms(self._contender.place.marks)

    def wait_for(self, jobs: int, *, processes: int = 1, of: int | None = None) -> Sample:
        """Waits until so many jobs ran, in so many processes; or until all did, if it is told how
        many there are.

        Raises ContenderFailed when nothing moves any more.
        """
        progress = self.read_progress()
        moved_at = time.monotonic()
        while progress.jobs < jobs or (
            progress.processes < processes and (of is None or progress.jobs < of)
        ):
            time.sleep(EVERY_S)
            before, progress = progress, self.read_progress()
            if progress != before:
                moved_at = time.monotonic()
            elif time.monotonic() - moved_at > PATIENCE_S or not self._are_alive():
                raise self._contender.fail(f"ran {progress.jobs} of {jobs} jobs and stopped")
        return self.sample()

    def _are_alive(self) -> bool:
        return all(process.poll() is None for process in self._processes)

    def kill(self) -> None:
        """Ends them all at once: what they leave in Redis is removed with everything else."""
        for process in self._processes:
            kill_tree(process.pid)
            process.wait()


@contextmanager
def run_workers(
    contender: Contender, server: Server, job: str, *, concurrency: int, processes: int = 1
) -> Iterator[Workers]:
    """Runs the worker processes that serve a job."""
    commands = contender.ask("build_workers", job=job, concurrency=concurrency, processes=processes)
    with run_commands(contender, server, commands, concurrency=concurrency) as workers:
        yield workers


@contextmanager
def run_commands(
    contender: Contender, server: Server, commands: list[list[str]], *, concurrency: int
) -> Iterator[Workers]:
    """Runs worker processes by their command lines, with a fresh counter."""
    for file in contender.place.marks.iterdir():
        file.unlink()
    started: list[subprocess.Popen[bytes]] = []
    workers = Workers(contender, server, started)
    try:
        with contender.place.log.open("a") as log:
            for command in commands:
                process = subprocess.Popen(
                    command,
                    cwd=ROOT,
                    env=contender.place.make_environment(BENCH_CONCURRENCY=str(concurrency)),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    preexec_fn=die_with_parent,
                )
                started.append(process)
        yield workers
    finally:
        workers.kill()
