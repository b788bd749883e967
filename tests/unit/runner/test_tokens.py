"""Tokens on file, for the runner that follows a killed one."""

from __future__ import annotations

from pathlib import Path

import pytest

from toril.runner.tokens import TokenFile
from toril.runtime.file_lock import FileLock


def test_the_tokens_of_a_killed_runner_are_found_by_the_next_once(tmp_path: Path) -> None:
    killed = TokenFile(tmp_path, host="here", pid=1)
    killed.add("t1")
    killed.add("t2")
    killed.close(all_settled=False)
    follower = TokenFile(tmp_path, host="here", pid=2)

    [abandoned] = follower.find_abandoned()
    third = TokenFile(tmp_path, host="here", pid=3)

    assert (abandoned.runner, abandoned.tokens) == ("here-1", ["t1", "t2"])
    assert third.find_abandoned() == []
    abandoned.settled()
    assert third.find_abandoned() == []


def test_a_runner_with_the_pid_of_a_killed_one_still_finds_its_tokens(tmp_path: Path) -> None:
    killed = TokenFile(tmp_path, host="a-host", pid=1)
    killed.add("t1")
    killed.close(all_settled=False)

    [abandoned] = TokenFile(tmp_path, host="a-host", pid=1).find_abandoned()

    assert abandoned.tokens == ["t1"]


def test_a_living_runner_and_one_of_another_host_are_left_alone(tmp_path: Path) -> None:
    living = TokenFile(tmp_path, host="here", pid=1)
    other = TokenFile(tmp_path, host="there", pid=1)
    other.close(all_settled=False)

    assert TokenFile(tmp_path, host="here", pid=2).find_abandoned() == []
    living.close()
    living.close()


def test_a_runner_that_ends_well_leaves_nothing(tmp_path: Path) -> None:
    TokenFile(tmp_path, host="here", pid=1).close()

    assert list((tmp_path / ".toril" / "runners").iterdir()) == []


def test_a_root_that_cannot_be_written_does_without(tmp_path: Path) -> None:
    (tmp_path / ".toril").write_text("not a folder")
    file = TokenFile(tmp_path, host="here", pid=1)

    file.add("t1")

    assert file.find_abandoned() == []
    file.close()


def test_a_runner_that_is_just_starting_is_not_taken_for_a_killed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = TokenFile(tmp_path, host="here", pid=2)
    try_exclusive = FileLock.try_exclusive
    found: list[object] = []

    def look_first(lock: FileLock) -> bool:
        monkeypatch.undo()
        found.extend(other.find_abandoned())
        return try_exclusive(lock)

    monkeypatch.setattr(FileLock, "try_exclusive", look_first)
    starting = TokenFile(tmp_path, host="here", pid=1)

    assert found == []
    assert other.find_abandoned() == []
    starting.close()
    assert [path.suffix for path in (tmp_path / ".toril" / "runners").iterdir()] == [".tokens"]


def test_a_token_that_cannot_be_written_does_not_stop_the_runner(tmp_path: Path) -> None:
    file = TokenFile(tmp_path, host="here", pid=1)
    (tmp_path / ".toril" / "runners").rename(tmp_path / "elsewhere")

    file.add("t1")

    file.close()
