"""A file lock that dies with its process: flock(2), given back by the kernel."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import TracebackType

if sys.platform != "win32":
    import fcntl

#: How often a waiter asks again; flock itself cannot wait with a deadline.
_ASK_EVERY_S = 0.01


class FileLock:
    """One open lock file; the lock belongs to it until `close`, or until its process dies.

    A child that inherits the descriptor holds the lock as well, for as long as it lives.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def __enter__(self) -> FileLock:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def fileno(self) -> int:
        """Gives the descriptor, to pass it to a child."""
        if self._descriptor is None:
            raise ValueError("the lock file is closed")
        return self._descriptor

    def try_shared(self) -> bool:
        """Takes the lock beside other shared holders; False if someone holds it alone."""
        return self._try(exclusive=False)

    def try_exclusive(self) -> bool:
        """Takes the lock alone; False if anyone else holds it."""
        return self._try(exclusive=True)

    def wait_exclusive(self, within_s: float) -> bool:
        """Takes the lock alone, asking until `within_s` seconds have passed."""
        deadline = time.monotonic() + within_s
        while not self.try_exclusive():
            if time.monotonic() > deadline:
                return False
            time.sleep(_ASK_EVERY_S)
        return True

    def close(self) -> None:
        """Gives the lock back, unless a child inherited it; may come twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _try(self, *, exclusive: bool) -> bool:
        if sys.platform == "win32":
            return True
        kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
        try:
            fcntl.flock(self.fileno(), kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
