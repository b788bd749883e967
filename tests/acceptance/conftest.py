"""Environments outside the checkout, into which wheels are really installed."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Environment:
    """A virtual environment of its own, and an empty home."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def run(self, *command: str | Path, within_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Runs one of the environment's programs, away from the checkout."""
        program = self.folder / "bin" / command[0]
        return subprocess.run(
            [program, *command[1:]],
            cwd=self.folder,
            env={"HOME": str(self.folder), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
            capture_output=True,
            text=True,
            timeout=within_s,
            check=False,
        )


@pytest.fixture(scope="session")
def build_wheel(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """`build_wheel(folder)`: builds the project there and gives the wheel."""

    def build(project: Path) -> Path:
        out = tmp_path_factory.mktemp("wheel")
        _run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", out, project)
        (wheel,) = out.glob("*.whl")
        return wheel

    return build


@pytest.fixture(scope="session")
def toril_wheel(build_wheel: Callable[[Path], Path]) -> Path:
    return build_wheel(ROOT)


@pytest.fixture
def make_environment(tmp_path: Path) -> Callable[..., Environment]:
    """`make_environment(wheel, ...)`: makes an environment and installs these wheels into it.

    What the wheels depend on is read from the environment that runs the tests, by a path that
    reaches its packages but not the checkout behind its editable install.
    """

    def make(*wheels: Path) -> Environment:
        environment = Environment(folder=tmp_path / "environment")
        venv.create(environment.folder, with_pip=False)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        _run(
            *pip,
            *("--python", environment.python),
            *("install", "--no-deps", "--no-index", "--no-warn-script-location"),
            *wheels,
        )
        site = environment.folder / "lib" / f"python{sysconfig.get_python_version()}"
        (site / "site-packages" / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
        return environment

    return make


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
