"""Shared and exclusive file locks."""

from __future__ import annotations

from pathlib import Path

import pytest

from toril.runtime.file_lock import FileLock


def test_shared_holders_exclude_one_that_wants_it_alone(tmp_path: Path) -> None:
    with FileLock(tmp_path / "lock") as first, FileLock(tmp_path / "lock") as second:
        assert first.try_shared()
        assert second.try_shared()
        assert not second.try_exclusive()

        first.close()

        assert second.try_exclusive()


def test_waiting_for_it_alone_ends_at_the_deadline(tmp_path: Path) -> None:
    with FileLock(tmp_path / "lock") as first, FileLock(tmp_path / "lock") as second:
        first.try_exclusive()

        assert not second.wait_exclusive(0.02)


def test_a_closed_lock_has_no_descriptor(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    lock.close()
    lock.close()

    with pytest.raises(ValueError, match="the lock file is closed"):
        lock.fileno()
