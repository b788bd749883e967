"""The tokens of a runner's worker processes, on file: what one that was killed leaves to the next.

The file is locked as long as its runner lives. One that is not belongs to a runner that was killed,
its workers with it; the jobs of its tokens need not wait for their locks to run out.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path

from toril.runtime.file_lock import FileLock
from toril.runtime.own_folder import make_own_folder

_SUFFIX = ".tokens"


class TokenFile:
    """The tokens of one runner; where nothing can be written, it does without."""

    def __init__(self, root: Path, *, host: str, pid: int) -> None:
        self._host = host
        # A container's processes have the same pid each time it starts.
        name = f"{host}-{pid}-{secrets.token_hex(4)}{_SUFFIX}"
        self._lock: FileLock | None = None
        try:
            self._folder = make_own_folder(root, "runners")
            self._path = self._folder / name
            self._lock = _create_locked(self._path)
        except OSError:
            return

    def add(self, token: str) -> None:
        """Notes a token before its process starts; on a full disk its jobs' locks run out."""
        if self._lock is not None:
            with suppress(OSError), self._path.open("a") as file:
                file.write(f"{token}\n")

    def find_abandoned(self) -> list[AbandonedTokens]:
        """Finds the files of killed runners of this host; other hosts' locks are not seen here."""
        if self._lock is None:
            return []
        others = [path for path in self._folder.glob(f"*{_SUFFIX}") if path != self._path]
        ours = [path for path in others if _host_of(path) == self._host]
        return [found for path in ours if (found := _take_abandoned(path)) is not None]

    def close(self, *, all_settled: bool = True) -> None:
        """Removes the file, or leaves it to the next runner if jobs are; may come twice."""
        lock, self._lock = self._lock, None
        if lock is not None:
            if all_settled:
                self._path.unlink(missing_ok=True)
            lock.close()


class AbandonedTokens:
    """The tokens of a killed runner, held by us until `settled`."""

    def __init__(self, path: Path, lock: FileLock) -> None:
        self._path = path
        self._lock = lock
        #: Whose they were.
        self.runner = path.stem.rpartition("-")[0]
        self.tokens = path.read_text().split()

    def settled(self) -> None:
        """Forgets them: their jobs wait again."""
        self._path.unlink(missing_ok=True)
        self._lock.close()


def _create_locked(path: Path) -> FileLock:
    """Makes the file under its name only once it is locked: nobody takes it for abandoned."""
    new = path.with_suffix(".new")
    lock = FileLock(new)
    lock.try_exclusive()
    new.rename(path)
    return lock


def _host_of(path: Path) -> str:
    return path.stem.rsplit("-", 2)[0]


def _take_abandoned(path: Path) -> AbandonedTokens | None:
    try:
        lock = FileLock(path)
        if lock.try_exclusive():
            return AbandonedTokens(path, lock)
    except OSError:
        return None
    lock.close()
    return None
