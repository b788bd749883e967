"""The contenders: how each is started, asked, and what became of those that are not installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness.processes import die_with_parent
from benchmarks.names import REFERENCE, TORIL

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"


class ContenderFailed(Exception):
    """A contender could not do what it was asked; says which, what, and its own words."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a contender finds its server and the folder of its marks."""

    url: str
    marks: Path
    log: Path

    def make_environment(self, **more: str) -> dict[str, str]:
        """Gives the environment of a contender's processes."""
        own = {"BENCH_URL": self.url, "BENCH_MARKS": str(self.marks), "PYTHONPATH": str(ROOT)}
        return {**os.environ, **own, **more}


class Contender:
    """One contender's process that adds jobs, started at the first question."""

    def __init__(self, name: str, place: Place) -> None:
        self.name = name
        self.place = place
        self._process: subprocess.Popen[str] | None = None
        self._description: dict[str, Any] | None = None

    @property
    def version(self) -> str:
        return str(self._describe()["version"])

    @property
    def pace(self) -> int:
        """No-op jobs a second, roughly."""
        return int(self._describe()["pace"])

    def can(self, feature: str) -> bool:
        """Says whether it has a way to add, or a feature."""
        return feature in self._describe()["can"]

    def ask(self, question: str, **request: Any) -> Any:
        """Asks its process; raises ContenderFailed."""
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps({"ask": question, **request}) + "\n")
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())
        except (BrokenPipeError, json.JSONDecodeError) as error:
            self._process = None
            raise self.fail(f"ended at {question!r}") from error
        if "error" in answer:
            raise ContenderFailed(f"{self.name} failed at {question!r}:\n{answer['error']}")
        return answer["value"]

    def fail(self, how: str) -> ContenderFailed:
        """Gives the error that says how it failed, with the end of its own log."""
        words = "\n".join(self.place.log.read_text(errors="replace").splitlines()[-15:])
        return ContenderFailed(f"{self.name} {how}:\n{words}")

    def forget(self) -> None:
        """Tells its process, if there is one, that Redis was emptied."""
        if self._process is not None:
            self.ask("reset")

    def close(self) -> None:
        """Ends its process; may come twice."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def _describe(self) -> dict[str, Any]:
        if self._description is None:
            self._description = self.ask("describe")
        return self._description

    def _start(self) -> subprocess.Popen[str]:
        with self.place.log.open("a") as log:
            self._process = subprocess.Popen(
                find_program(self.name),
                env=self.place.make_environment(),
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                preexec_fn=die_with_parent,
            )
        return self._process


def is_installed(name: str) -> bool:
    """Says whether a contender's environment is there."""
    if name == REFERENCE:
        installed = BENCHMARKS / "node" / "node_modules" / ".installed"
        return installed.exists() and shutil.which("node") is not None
    return Path(find_program(name)[0]).exists()


def find_program(name: str) -> list[str]:
    """Gives the command line of the process that adds a contender's jobs."""
    if name == REFERENCE:
        return ["node", str(BENCHMARKS / "node" / "bullmq.mjs")]
    own = BENCHMARKS / ".venv" / name / "bin" / "python"
    python = sys.executable if name == TORIL else str(own)
    return [python, "-m", "benchmarks.serving", name.replace("-", "_")]
