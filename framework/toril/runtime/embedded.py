"""The embedded server of a configuration: found or started by its first user, stopped by its last.

Everything lies in `<root>/.toril/server/`. Three locks order it, and the kernel gives all of them
back when their holder dies, so no kill can leave a lie behind:
`users.lock` is shared by every process that uses the server; who can have it alone is the last one.
`start.lock` is held alone while someone looks, starts or stops.
`alive.lock` is inherited by the server itself: as long as it is held, the server lives.
"""

from __future__ import annotations

import hashlib
import os
import signal
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from toril.errors import EmbeddedServerError
from toril.runtime import server_process
from toril.runtime.file_lock import FileLock
from toril.runtime.own_folder import make_own_folder
from toril.runtime.server_process import SET_A_URL, Fsync, ServerState

#: Bytes of a unix socket's path that the platform takes.
SOCKET_PATH_LIMIT = 103 if sys.platform == "darwin" else 107

#: A server that neither answers nor ends by then is left to a person.
_PATIENCE_S = 20.0
#: A log longer than this is put aside at the next start.
_LOG_LIMIT = 10_000_000


def open_embedded(
    root: Path, *, fsync: Fsync = "everysec", wait_loaded: bool = True
) -> EmbeddedHandle:
    """Makes this process a user of the root's embedded server, and starts that if it is absent.

    With `wait_loaded` it returns once the append-only file is read; without, the server may still
    answer LOADING. Blocks: async code runs it in a thread.
    """
    handle = EmbeddedHandle(_make_folder(Path(root).resolve()), fsync)
    try:
        handle.open()
        if wait_loaded:
            handle.wait_loaded()
    except BaseException:
        handle.close()
        raise
    return handle


class EmbeddedHandle:
    """One process's use of an embedded server, until `close`."""

    def __init__(self, data: Path, fsync: Fsync) -> None:
        self.data = data
        self._fsync: Fsync = fsync
        self._socket = _choose_socket(data)
        self._users: FileLock | None = None
        self._mutex = threading.Lock()
        #: Ends the patience of a thread that waits for a server, so that `close` need not wait.
        self._closing = threading.Event()

    def __enter__(self) -> EmbeddedHandle:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Where the server listens; `ensure_running` may move it."""
        return f"unix://{quote(str(self._socket))}"

    @property
    def pid(self) -> int | None:
        """The server's process, as far as it is known."""
        return server_process.read_pid(self.data)

    def open(self) -> None:
        """Joins the users and has the server running; a second call only does the latter."""
        with self._mutex, self._start_lock():
            if self._users is None:
                self._users = self._join_users()
            self._start_unless_running()

    def ensure_running(self) -> str:
        """Starts the server again if it died, and gives its URL; it may still be loading."""
        with self._mutex:
            if self._users is None:
                raise EmbeddedServerError("the embedded server's handle is closed")
            if self._state() not in _RUNNING:
                with self._start_lock():
                    self._start_unless_running()
        return self.url

    def wait_loaded(self) -> None:
        """Waits until the server has read its append-only file, however long that takes."""
        while self._state() is not ServerState.UP:
            self.ensure_running()
            time.sleep(0.02)

    def close(self) -> None:
        """Leaves the users, and stops the server if none is left; may come twice."""
        self._closing.set()
        with self._mutex:
            if self._users is None:
                return
            with self._users, self._start_lock():
                # Nobody can join while we hold the start lock, so alone now is alone for good.
                if self._users.try_exclusive():
                    self._stop()
            self._users = None

    # Below, the start lock is held.

    def _join_users(self) -> FileLock:
        users = FileLock(self.data / "users.lock")
        users.try_shared()  # Only the last user holds it alone, and under the start lock.
        return users

    def _start_unless_running(self) -> None:
        self._socket = _choose_socket(self.data)
        if self._is_running_within(_PATIENCE_S):
            server_process.set_fsync(self._socket, self._fsync)
            return
        self._clean()
        with FileLock(self.data / "alive.lock") as alive:
            alive.try_exclusive()
            server_process.launch(self.data, self._socket, self._fsync, alive)
        if not self._is_running_within(_PATIENCE_S):
            reason = server_process.read_last_warning(self.data)
            raise EmbeddedServerError(
                f"the embedded server in {str(self.data)!r} does not start: {reason}"
            )

    def _is_running_within(self, patience_s: float) -> bool:
        """Waits until the server answers (True) or no server of this directory lives (False)."""
        deadline = time.monotonic() + patience_s
        while True:
            state = self._state()
            if state in _RUNNING:
                return True
            if state is ServerState.FOREIGN:
                raise EmbeddedServerError(
                    f"{str(self._socket)!r} belongs to another server; remove it, or {SET_A_URL}"
                )
            if not self._is_alive():
                return False
            if time.monotonic() > deadline:
                self._end_unreachable(state)
                return False
            if self._closing.wait(0.005):
                raise EmbeddedServerError("the embedded server's handle is closed")

    def _end_unreachable(self, state: ServerState) -> None:
        """Ends a server that nobody can reach any more, because its socket file was removed."""
        pid = self.pid
        if state is not ServerState.ABSENT or self._socket.exists() or pid is None:
            raise EmbeddedServerError(
                f"the embedded server in {str(self.data)!r} (pid {pid}) does not answer;"
                f" end that process, or {SET_A_URL}"
            )
        os.kill(pid, signal.SIGTERM)
        self._wait_ended()

    def _stop(self) -> None:
        if self._state() in _RUNNING:
            server_process.shut_down(self._socket)
            self._wait_ended()
            self._clean()

    def _wait_ended(self) -> None:
        with FileLock(self.data / "alive.lock") as alive:
            if not alive.wait_exclusive(_PATIENCE_S):
                raise EmbeddedServerError(
                    f"the embedded server in {str(self.data)!r} (pid {self.pid}) does not end"
                )

    def _clean(self) -> None:
        """Removes what a dead server left: its socket and pid, and a log that grew too long."""
        self._socket.unlink(missing_ok=True)
        (self.data / "valkey.pid").unlink(missing_ok=True)
        log = self.data / "valkey.log"
        if log.exists() and log.stat().st_size > _LOG_LIMIT:
            log.replace(self.data / "valkey.log.1")

    def _is_alive(self) -> bool:
        with FileLock(self.data / "alive.lock") as alive:
            return not alive.try_shared()

    def _state(self) -> ServerState:
        return server_process.probe(self._socket, self.data)

    @contextmanager
    def _start_lock(self) -> Iterator[None]:
        with FileLock(self.data / "start.lock") as lock:
            if not lock.wait_exclusive(3 * _PATIENCE_S):
                raise EmbeddedServerError(
                    f"another process has been starting or stopping the embedded server in"
                    f" {str(self.data)!r} for a minute; end it"
                )
            yield


_RUNNING = frozenset({ServerState.UP, ServerState.LOADING})


def _make_folder(root: Path) -> Path:
    server_process.find_binary()
    try:
        return make_own_folder(root, "server")
    except OSError as error:
        raise EmbeddedServerError(
            f"the embedded server cannot keep its files in {str(root / '.toril')!r}:"
            f" {error.strerror}; {SET_A_URL}"
        ) from error


def _choose_socket(data: Path) -> Path:
    """Chooses where the server listens: beside its files, or elsewhere if that path is too long.

    The place elsewhere is written down, so that processes with another environment find it.
    """
    socket = data / "valkey.sock"
    if len(os.fsencode(socket)) <= SOCKET_PATH_LIMIT:
        return socket
    record = data / "socket-path"
    if record.exists():
        socket = Path(record.read_text())
        if _is_private(socket.parent) and socket.name == _short_name(data):
            return socket
    socket = _runtime_folder() / _short_name(data)
    record.write_text(str(socket))
    return socket


def _short_name(data: Path) -> str:
    return hashlib.sha256(os.fsencode(data)).hexdigest()[:16] + ".sock"


def _runtime_folder() -> Path:
    """Gives a short folder that only this user can enter."""
    wanted = os.environ.get("XDG_RUNTIME_DIR")
    bases = [Path(wanted)] if wanted else []
    for base in [*bases, Path(tempfile.gettempdir()), Path("/tmp")]:
        folder = base / f"toril-{os.getuid()}"
        if len(os.fsencode(folder)) + 22 > SOCKET_PATH_LIMIT:
            continue
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError:
            continue
        # A folder of that name that someone else made, or opened to others, is not used.
        if _is_private(folder):
            return folder
    return Path(tempfile.mkdtemp(prefix="toril-", dir="/tmp"))


def _is_private(folder: Path) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    return (
        stat.S_ISDIR(found.st_mode)
        and found.st_uid == os.getuid()
        and stat.S_IMODE(found.st_mode) & 0o077 == 0
    )
