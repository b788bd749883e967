"""`toril init`."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from toril.cli.main import main


def test_init_writes_a_pipeline_and_the_next_commands(tmp_path: Path) -> None:
    target = tmp_path / "some where" / "demo"

    result = CliRunner().invoke(main, ["init", str(target)])

    assert result.exit_code == 0
    assert sorted(path.name for path in target.iterdir()) == [
        "greetings.yaml",
        "processors.py",
        "toril.yaml",
    ]
    assert f"toril run '{target}'" in result.stdout
    assert f"toril -C '{target}' add greet name=Ada --wait" in result.stdout


@pytest.mark.parametrize("name", ["toril.yaml", "processors.py", "compose.yml"])
def test_init_refuses_a_directory_with_something_in_the_way(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")

    result = CliRunner().invoke(main, ["init", str(tmp_path)])

    assert result.exit_code == 2
    assert f"{str(tmp_path)!r} already holds {name}; give another directory" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_init_takes_a_directory_that_holds_other_things(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")

    result = CliRunner().invoke(main, ["init", str(tmp_path)])

    assert result.exit_code == 0


def test_the_new_pipeline_is_short_enough_to_explain() -> None:
    import toril.cli

    folder = Path(toril.cli.__file__).parent / "new-pipeline"
    yaml = [line for path in folder.glob("*.yaml") for line in path.read_text().splitlines()]

    assert len(yaml) <= 20
