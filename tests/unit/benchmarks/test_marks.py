from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.marks import FOLDER_VARIABLE, Marks, read_pickups_ms, read_progress


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    return tmp_path


def test_jobs_are_counted_over_all_processes(folder: Path) -> None:
    marks = Marks()
    marks.mark()
    (folder / "1.count").write_bytes((folder / f"{_own_pid(folder)}.count").read_bytes())

    marks.mark()

    progress = read_progress(folder)
    assert (progress.jobs, progress.processes) == (3, 2)
    assert progress.at_ns > 0


def test_a_counter_that_was_only_just_made_counts_nothing(folder: Path) -> None:
    (folder / "1.count").touch()

    assert read_progress(folder).jobs == 0


def test_a_pickup_is_counted_and_timed(folder: Path) -> None:
    Marks().mark_pickup(0)

    [took_ms] = read_pickups_ms(folder)
    assert read_progress(folder).jobs == 1
    assert took_ms == pytest.approx(read_progress(folder).at_ns / 1e6, rel=0.01)


def _own_pid(folder: Path) -> str:
    [path] = folder.glob("*.count")
    return path.stem
