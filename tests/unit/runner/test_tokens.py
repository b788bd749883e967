"""Tokens on file, for the runner that follows a killed one."""

from __future__ import annotations

from pathlib import Path

from toril.runner.tokens import TokenFile


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
