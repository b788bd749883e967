"""The wheel, installed in an empty environment outside the checkout."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def environment(make_environment: Callable[..., Any], toril_wheel: Path) -> Any:
    return make_environment(toril_wheel)


def test_the_wheel_holds_what_the_checkout_holds(toril_wheel: Path):
    held = {name for name in zipfile.ZipFile(toril_wheel).namelist() if name.startswith("toril/")}

    schemas = {path.relative_to(ROOT) for path in (ROOT / "schemas").rglob("*.json")}
    lua = {path.relative_to(ROOT / "framework") for path in (ROOT / "framework").rglob("*.lua")}
    assert schemas
    assert lua
    assert {f"toril/{path}" for path in schemas} <= held
    assert {str(path) for path in lua} <= held
    assert "toril/py.typed" in held


def test_the_installed_command_is_not_the_checkout(environment: Any):
    found = environment.run("python", "-c", "import toril; print(toril.__file__)")
    version = environment.run("toril", "--version")

    assert found.stdout.startswith(str(environment.folder))
    assert (version.returncode, version.stdout) == (0, "toril 0.1.0\n")


def test_a_new_pipeline_is_checked_and_run_by_the_wheel(environment: Any):
    pipeline = environment.folder / "pipeline"
    environment.run("toril", "init", pipeline)

    checked = environment.run("toril", "check", pipeline)
    ran = environment.run("toril", "run", pipeline, "--until-idle")
    listed = environment.run(
        "toril", "-C", pipeline, "job", "list", "greetings", "completed", "--format", "json"
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert [job["result"] for job in json.loads(listed.stdout)["jobs"]] == [
        {"text": "Hello, world!"}
    ]


def test_a_wrong_pipeline_is_refused_by_the_wheel(environment: Any):
    pipeline = environment.folder / "pipeline"
    environment.run("toril", "init", pipeline)
    (pipeline / "more.yaml").write_text("queues: {orders: {concurency: 5}}\n")

    checked = environment.run("toril", "check", pipeline, "--format", "json")

    assert checked.returncode == 1
    (problem,) = json.loads(checked.stdout)["problems"]
    assert (problem["line"], problem["column"]) == (1, 19)
