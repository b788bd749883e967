"""What `toril check` prints for wrong configurations, word for word.

Each folder in `wrong_yaml/cases/` is laid over `wrong_yaml/base/`, unless it has a root file of its
own, and its `expected.txt` is what a user sees. `python tests/acceptance/renew_wrong_yaml.py`
writes the expected texts anew, for the diff to be read.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from toril.cli.check import check

HERE = Path(__file__).parent / "wrong_yaml"
CASES = sorted(path.name for path in (HERE / "cases").iterdir())
EXPECTED = "expected.txt"


def lay_out(case: str, root: Path) -> None:
    """Writes the wrong pipeline of a case into a new directory."""
    folder = HERE / "cases" / case
    stands_alone = any(folder.glob("toril.y*ml"))
    if not stands_alone:
        shutil.copytree(HERE / "base", root)
    skip = shutil.ignore_patterns(EXPECTED, "__pycache__")
    shutil.copytree(folder, root, symlinks=True, ignore=skip, dirs_exist_ok=True)


def run_check(directory: Path) -> tuple[int, str]:
    """Runs `toril check` in the directory that holds `pipelines/`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        result = CliRunner(env={}).invoke(check, [])
    return result.exit_code, result.output


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_configuration_is_told_what_is_wrong(case: str, tmp_path: Path) -> None:
    lay_out(case, tmp_path / "pipelines")

    code, output = run_check(tmp_path)

    assert output == (HERE / "cases" / case / EXPECTED).read_text(encoding="utf-8")
    assert code == (1 if " problem" in output.splitlines()[-1] else 0)


def test_there_are_at_least_thirty_wrong_configurations() -> None:
    assert len(CASES) >= 30
