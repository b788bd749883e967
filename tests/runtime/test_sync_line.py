"""Tests of the blocking line, through a sender and against a real server."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from toril.errors import RedisUnavailable
from toril.runtime import sync_line
from toril.runtime.call import Call
from toril.runtime.connection import connect_sync
from toril.runtime.sync_sender import SyncSender

ID = Call(None, (), ("CLIENT", "ID"), int)


def echo(text: str) -> Call[str]:
    return Call(None, (), ("ECHO", text), bytes.decode)


@pytest.fixture
def own_sender(server: Any) -> Iterator[SyncSender]:
    sender = SyncSender(connect_sync(server.url))
    yield sender
    sender.redis.close()


def test_calls_one_after_another_share_a_line(own_sender: SyncSender) -> None:
    assert own_sender.send(ID) == own_sender.send(ID)


def test_threads_get_their_own_replies(own_sender: SyncSender) -> None:
    texts = [f"text {n}" * n for n in range(400)]

    with ThreadPoolExecutor(8) as threads:
        replies = list(threads.map(lambda text: own_sender.send(echo(text)), texts))

    assert replies == texts


def test_a_reply_larger_than_one_piece_is_read_whole(own_sender: SyncSender) -> None:
    text = "x" * (3 * sync_line._PIECE_BYTES)

    assert own_sender.send_many([echo(text), echo("end")]) == [text, "end"]


def test_a_line_that_was_closed_while_idle_is_opened_anew(
    own_sender: SyncSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = own_sender.send(ID)
    own_sender.redis.client_kill_filter(_id=str(lost))
    monkeypatch.setattr(sync_line, "_FRESH_S", 0.0)

    assert own_sender.send(ID) != lost


def test_a_line_that_is_lost_fails_its_call_and_the_next_opens_another(
    own_sender: SyncSender,
) -> None:
    lost = own_sender.send(ID)
    own_sender.redis.client_kill_filter(_id=str(lost))

    with pytest.raises(RedisUnavailable, match="does not answer"):
        own_sender.send(echo("a"))

    assert own_sender.send(ID) != lost


def test_a_child_process_opens_lines_of_its_own(own_sender: SyncSender) -> None:
    own_sender.send(ID)
    lines = own_sender._idle.copy()

    own_sender._pid = os.getppid()  # as after a fork

    assert own_sender._take() not in lines


def test_a_reply_that_does_not_come_in_time_ends_the_line(server: Any) -> None:
    path = server.url[7:] + ".mute"
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(path)
        mute.listen()
        answering = threading.Thread(target=answer_handshakes_only, args=(mute,))
        answering.start()
        redis = connect_sync(f"unix://{path}")
        redis.connection_pool.connection_kwargs["socket_timeout"] = 0.05
        sender = SyncSender(redis)

        with pytest.raises(RedisUnavailable, match=r"does not answer: no reply within 0.05 s"):
            sender.send(echo("a"))

        assert sender._idle[0]._connection._sock is None
        redis.close()
        answering.join()


def answer_handshakes_only(server: socket.socket) -> None:
    peer, _ = server.accept()
    with peer:
        while data := peer.recv(10_000):
            peer.sendall(b"+OK\r\n" * data.count(b"SETINFO"))
