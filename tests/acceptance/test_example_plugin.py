"""The plugin of examples/plugin, built, installed into a fresh environment, and run."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "plugin"


@pytest.fixture
def environment(
    make_environment: Callable[..., Any], build_wheel: Callable[[Path], Path], toril_wheel: Path
) -> Any:
    environment = make_environment(toril_wheel, build_wheel(EXAMPLE))
    shutil.copytree(EXAMPLE / "pipeline", environment.folder / "pipeline")
    return environment


def test_the_installed_plugin_is_listed_with_what_it_brings(environment: Any):
    pipeline = environment.folder / "pipeline"

    shown = environment.run("toril", "-C", pipeline, "plugin", "show", "files", "--format", "json")

    assert shown.returncode == 0, shown.stderr
    plugin = json.loads(shown.stdout)
    assert (plugin["name"], plugin["state"], plugin["version"]) == ("files", "loaded", "0.1.0")
    assert plugin["brought"] == {"processor": ["files.digest"]}


def test_the_installed_plugin_runs_a_job(environment: Any):
    pipeline = environment.folder / "pipeline"
    file = environment.folder / "a.bin"
    file.write_bytes(b"bull" * 100)

    added = environment.run("toril", "-C", pipeline, "add", "digest", f"path={file}")
    ran = environment.run("toril", "run", pipeline, "--until-idle")
    shown = environment.run(
        "toril", "-C", pipeline, "job", "show", added.stdout.strip(), "--format", "json"
    )

    assert (added.returncode, ran.returncode) == (0, 0), added.stderr + ran.stderr
    job = json.loads(shown.stdout)
    assert job["state"] == "completed"
    assert job["result"] == {
        "algorithm": "sha1",
        "digest": hashlib.sha1(b"bull" * 100).hexdigest(),
        "bytes": 400,
    }
    assert job["progress"] == 100


def test_the_parameters_of_the_installed_plugin_are_checked(environment: Any):
    pipeline = environment.folder / "pipeline"
    text = (pipeline / "toril.yaml").read_text()
    (pipeline / "toril.yaml").write_text(text.replace("sha1", "crc"))

    checked = environment.run("toril", "check", pipeline, "--format", "json")

    assert checked.returncode == 1
    (problem,) = json.loads(checked.stdout)["problems"]
    assert "crc" in problem["message"]
