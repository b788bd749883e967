"""The embedded server under kills, crowds, leftovers and deep paths."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from toril.errors import EmbeddedServerError
from toril.runtime import embedded, server_process
from toril.runtime.embedded import EmbeddedHandle, open_embedded
from toril.runtime.file_lock import FileLock

BlockUntil = Callable[..., None]

#: A process that uses the server: says its pid, then writes numbers until it is told to leave.
USER = """
import sys, redis
from pathlib import Path
from toril.runtime.embedded import open_embedded
with open_embedded(Path(sys.argv[1]), fsync="always") as handle:
    with redis.Redis.from_url(handle.url) as client:
        print(handle.pid, flush=True)
        for line in sys.stdin:
            print(client.rpush("numbers", line.strip()), flush=True)
"""

#: 20 ms a key, and an answer between keys: as a file of gigabytes would load.
SLOW_LOADING = ["--key-load-delay", "20000", "--loading-process-events-interval-bytes", "1024"]


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder whose path is short enough for a socket in it; pytest's own grow too long."""
    with tempfile.TemporaryDirectory(prefix="toril-") as name:
        folder = Path(name) / "pipelines"
        folder.mkdir()
        yield folder
        stop_leftover(folder)


def stop_leftover(root: Path) -> None:
    """Stops what a failed or killing test left, as the next user would."""
    if (root / ".toril").exists():
        open_embedded(root).close()


def is_server_alive(root: Path) -> bool:
    with FileLock(root / ".toril" / "server" / "alive.lock") as alive:
        return not alive.try_exclusive()


def start_user(root: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", USER, str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def read_line(user: subprocess.Popen[str]) -> str:
    assert user.stdout is not None
    return user.stdout.readline().strip()


def end_user(user: subprocess.Popen[str]) -> int:
    user.communicate()
    return user.returncode


def kill(user: subprocess.Popen[str]) -> None:
    user.kill()
    end_user(user)


def kill_server(handle: EmbeddedHandle, block_until: BlockUntil) -> None:
    assert handle.pid is not None
    os.kill(handle.pid, signal.SIGKILL)
    block_until(lambda: not is_server_alive(handle.data.parent.parent))


def socket_of(handle: EmbeddedHandle) -> Path:
    return Path(handle.url.removeprefix("unix://"))


def connect(handle: EmbeddedHandle) -> redis.Redis:
    return redis.Redis.from_url(handle.url, decode_responses=True)


def test_the_first_user_starts_it_and_the_last_one_out_stops_it(root: Path) -> None:
    first = open_embedded(root)
    second = open_embedded(root)
    assert second.pid == first.pid

    first.close()
    assert is_server_alive(root)

    second.close()
    second.close()
    assert not is_server_alive(root)
    assert not socket_of(second).exists()
    assert (root / ".toril/.gitignore").read_text() == "*\n"


def test_its_settings_keep_what_it_acknowledged(root: Path) -> None:
    with open_embedded(root, fsync="always") as handle, connect(handle) as client:
        settings = client.config_get("*")

    expected = {
        "port": "0",
        "appendonly": "yes",
        "appendfsync": "always",
        "aof-load-truncated": "yes",
        "maxmemory-policy": "noeviction",
    }
    assert settings.items() >= expected.items()


def test_a_user_gives_the_running_server_his_fsync_setting(root: Path) -> None:
    with (
        open_embedded(root, fsync="everysec"),
        open_embedded(root, fsync="always") as handle,
        connect(handle) as client,
    ):
        assert client.config_get("appendfsync") == {"appendfsync": "always"}


def test_it_has_a_session_of_its_own_so_that_ctrl_c_does_not_reach_it(root: Path) -> None:
    with open_embedded(root) as handle:
        assert handle.pid is not None
        assert os.getsid(handle.pid) != os.getsid(0)


def test_processes_that_start_together_share_one_server(root: Path) -> None:
    users = [start_user(root) for _ in range(5)]

    pids = {read_line(user) for user in users}
    exits = [end_user(user) for user in users]

    assert len(pids) == 1
    assert exits == [0] * 5
    assert not is_server_alive(root)


def test_a_server_left_by_a_killed_user_is_found_and_stopped_by_the_next(root: Path) -> None:
    user = start_user(root)
    pid = int(read_line(user))
    kill(user)
    assert is_server_alive(root)

    with open_embedded(root) as handle:
        assert handle.pid == pid

    assert not is_server_alive(root)


def test_nothing_acknowledged_is_lost_when_the_server_is_killed(
    root: Path, block_until: BlockUntil
) -> None:
    with open_embedded(root, fsync="always") as handle:
        with connect(handle) as client:
            count = [client.rpush("numbers", number) for number in range(200)][-1]
        kill_server(handle, block_until)
        assert socket_of(handle).exists()

        handle.ensure_running()
        handle.wait_loaded()

        with connect(handle) as client:
            assert client.llen("numbers") == count == 200


def test_a_new_user_cleans_up_after_a_killed_server(root: Path, block_until: BlockUntil) -> None:
    user = start_user(root)
    pid = int(read_line(user))
    os.kill(pid, signal.SIGKILL)
    kill(user)
    block_until(lambda: not is_server_alive(root))

    with open_embedded(root) as handle, connect(handle) as client:
        assert handle.pid != pid
        assert client.ping()


def test_two_configurations_never_share_one(tmp_path: Path) -> None:
    with open_embedded(tmp_path / "a") as a, open_embedded(tmp_path / "b") as b:
        with connect(a) as client:
            client.set("owner", "a")
        with connect(b) as client:
            assert client.get("owner") is None
        assert a.pid != b.pid


def test_a_copied_directory_gets_a_server_of_its_own(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 60) / ("y" * 60)
    copy = tmp_path / ("x" * 60) / ("z" * 60)
    with open_embedded(deep) as handle:
        (copy / ".toril/server").mkdir(parents=True)
        record = (deep / ".toril/server/socket-path").read_text()
        (copy / ".toril/server/socket-path").write_text(record)

        with open_embedded(copy) as other:
            assert other.pid != handle.pid
            assert other.url != handle.url


def test_a_root_too_deep_for_a_socket_listens_in_a_short_private_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / ("x" * 60) / ("y" * 60)
    with open_embedded(root) as handle:
        socket = socket_of(handle)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))

        with open_embedded(root) as other, connect(other) as client:
            assert client.ping()
            assert other.url == handle.url

        assert len(os.fsencode(socket)) <= embedded.SOCKET_PATH_LIMIT
        assert socket.parent.stat().st_mode & 0o777 == 0o700
    assert not socket.exists()


def test_a_user_waits_while_the_server_loads(
    root: Path, block_until: BlockUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_embedded(root) as handle:
        with connect(handle) as client:
            client.mset({f"key-{number}": os.urandom(2_000).hex() for number in range(50)})
            value = client.get("key-1")
            client.bgrewriteaof()
            block_until(lambda: client.info("persistence")["aof_rewrite_in_progress"] == 0)
        plain = server_process.build_arguments
        monkeypatch.setattr(
            server_process,
            "build_arguments",
            lambda *a: [*plain(*a), *SLOW_LOADING],
        )
        kill_server(handle, block_until)
        handle.ensure_running()

        with connect(handle) as client, pytest.raises(redis.exceptions.BusyLoadingError):
            client.get("key-1")
        with open_embedded(root) as other, connect(other) as client:
            assert client.get("key-1") == value


def test_a_server_whose_socket_file_was_removed_is_started_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_PATIENCE_S", 0.3)
    with open_embedded(root) as handle:
        with connect(handle) as client:
            client.set("key", "kept")
        socket_of(handle).unlink()

        handle.ensure_running()

        with connect(handle) as client:
            assert client.get("key") == "kept"


def test_a_frozen_server_is_not_doubled(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_embedded(root) as handle:
        assert handle.pid is not None
        os.kill(handle.pid, signal.SIGSTOP)
        with monkeypatch.context() as patch:
            patch.setattr(embedded, "_PATIENCE_S", 0.1)
            patch.setattr(server_process, "_ANSWER_S", 0.1)

            with pytest.raises(EmbeddedServerError, match=rf"\(pid {handle.pid}\) does not answer"):
                handle.ensure_running()
        os.kill(handle.pid, signal.SIGCONT)


def test_a_broken_append_only_file_is_told_by_the_servers_own_words(root: Path) -> None:
    with open_embedded(root) as handle, connect(handle) as client:
        client.set("key", "value")
    [file] = (root / ".toril/server/appendonlydir").glob("*.incr.aof")
    whole = file.read_bytes()
    file.write_bytes(b"*3\r\n" + b"?" * 40 + b"\r\n" + whole)

    with pytest.raises(EmbeddedServerError, match="Bad file format reading the append only file"):
        open_embedded(root)

    file.write_bytes(whole)


def test_random_kills_of_users_and_server_lose_nothing(root: Path, block_until: BlockUntil) -> None:
    dice = random.Random(5)
    acknowledged = 0
    with open_embedded(root, fsync="always") as handle:
        for number in range(12):
            user = start_user(root)
            read_line(user)
            assert user.stdin is not None
            print(f"{number}\n" * dice.randint(1, 50), file=user.stdin, flush=True)
            acknowledged = int(read_line(user))
            (kill if dice.random() < 0.5 else end_user)(user)
            if dice.random() < 0.5:
                kill_server(handle, block_until)

        handle.wait_loaded()
        with connect(handle) as client:
            assert client.llen("numbers") >= acknowledged
    assert not is_server_alive(root)
