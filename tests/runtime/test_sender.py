"""Tests of both senders against a real server."""

from __future__ import annotations

import asyncio
import hashlib

import pytest
from redis.exceptions import ReadOnlyError, ResponseError

from toril.errors import JobNotFound, RedisMisconfigured
from toril.runtime import scripts
from toril.runtime.call import Call
from toril.runtime.connection import connect, connect_sync
from toril.runtime.scripts import Script
from toril.runtime.sender import AsyncSender


@pytest.fixture
def echo_script(monkeypatch: pytest.MonkeyPatch, prefix: str) -> str:
    """A script of this test's own that counts its runs and gives its argument back."""
    source = f"-- {prefix}\nredis.call('INCR', KEYS[1]) return ARGV[1]".encode()
    script = Script("echo", source, hashlib.sha1(source).hexdigest())
    monkeypatch.setattr(scripts, "load_script", lambda name: script)
    return "echo"


async def test_a_script_the_server_does_not_know_runs_once(sender, redis, echo_script, prefix):
    reply = await sender.send(Call(echo_script, (prefix,), ("hello",), bytes.decode))

    assert reply == "hello"
    assert await redis.get(prefix) == b"1"


async def test_only_the_calls_that_did_not_run_are_sent_again(sender, redis, echo_script, prefix):
    calls = [
        Call(None, (), ("INCR", prefix), str),
        Call(echo_script, (prefix,), ("a",), bytes.decode),
        Call(echo_script, (prefix,), ("b",), bytes.decode),
    ]

    assert await sender.send_many(calls) == ["1", "a", "b"]
    assert await redis.get(prefix) == b"3"


async def test_many_calls_give_their_errors_in_place(sender, prefix):
    calls = [Call(None, (), (name, prefix), str) for name in ("INCR", "LLEN", "INCR")]

    results = await sender.send_many(calls, return_exceptions=True)

    assert [results[0], results[2]] == ["1", "2"]
    assert isinstance(results[1], ResponseError)


async def test_many_calls_raise_the_first_error_after_all_ran(sender, redis, prefix):
    calls = [Call(None, (), (name, prefix), str) for name in ("INCR", "LLEN", "INCR")]

    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await sender.send_many(calls)
    assert await redis.get(prefix) == b"2"


async def test_no_calls_need_no_round_trip(sender):
    assert await sender.send_many([]) == []


async def test_any_number_of_calls_may_be_under_way_at_once(server):
    sender = AsyncSender(connect(server.url))

    ping = Call(None, (), ("PING",), str)
    replies = await asyncio.gather(*(sender.send(ping) for _ in range(150)))

    assert replies == ["True"] * 150
    await sender.redis.aclose()


async def test_dead_connections_are_thrown_away_before_anyone_can_take_one(server):
    sender = AsyncSender(connect(server.url))
    ping = Call(None, (), ("PING",), str)
    await asyncio.gather(*(sender.send(ping) for _ in range(3)))
    idle = tuple(sender._idle)

    with pytest.raises(StopIteration):
        sender._drop_dead(ReadOnlyError("READONLY")).send(None)

    assert [connection.is_connected for connection in idle] == [False] * 3
    assert await sender.send(ping) == "True"
    await sender.redis.aclose()


def test_a_connection_that_the_server_closed_while_it_was_idle_is_replaced(
    sync_sender, redis_sync, monkeypatch
):
    monkeypatch.setattr("toril.runtime.sync_sender._FRESH_S", -1.0)
    which = Call(None, (), ("CLIENT", "ID"), int)

    closed = sync_sender.send(which)
    redis_sync.execute_command("CLIENT", "KILL", "ID", closed)

    assert sync_sender.send(which) != closed


def test_a_forked_process_leaves_its_parents_connections_alone(sync_sender, monkeypatch):
    which = Call(None, (), ("CLIENT", "ID"), int)
    parents = sync_sender.send(which)

    monkeypatch.setattr("os.getpid", lambda: 1)

    assert sync_sender.send(which) != parents


async def test_a_missing_permission_is_named(server, prefix):
    admin = connect_sync(server.url)
    admin.execute_command("ACL", "SETUSER", prefix, "on", ">pw", "~*", "+@all", "-evalsha", "-ping")
    url = server.url.replace("unix://", f"unix://{prefix}:pw@")
    client = connect(url)

    with pytest.raises(RedisMisconfigured, match=r"denies access.*'?ping'?"):
        await AsyncSender(client).send(Call(None, (), ("PING",), str))
    await client.aclose()
    admin.execute_command("ACL", "DELUSER", prefix)
    admin.close()


async def test_a_refusal_that_a_parser_raises_stands_in_its_calls_place(sender, prefix):
    def refuse(reply: int) -> int:
        raise JobNotFound(f"no job, but {reply}")

    calls = [Call(None, (), ("INCR", prefix), int), Call(None, (), ("INCR", prefix), refuse)]

    results = await sender.send_many(calls, return_exceptions=True)

    assert results[0] == 1
    assert isinstance(results[1], JobNotFound)
