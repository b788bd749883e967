"""Tests of the line that many calls share, through a sender and against a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis import exceptions

from toril.errors import RedisUnavailable
from toril.runtime.call import Call
from toril.runtime.calls.events import START, read_events
from toril.runtime.connection import connect
from toril.runtime.keys import QueueKeys
from toril.runtime.line import Line
from toril.runtime.resp import pack_command
from toril.runtime.sender import AsyncSender

ID = Call(None, (), ("CLIENT", "ID"), int)


def echo(text: str) -> Call[str]:
    return Call(None, (), ("ECHO", text), bytes.decode)


@pytest.fixture
async def own_sender(server: Any) -> AsyncIterator[AsyncSender]:
    sender = AsyncSender(connect(server.url))
    yield sender
    await sender.redis.aclose()


async def test_all_calls_share_one_connection_and_get_their_own_replies(own_sender):
    first, *replies, last = await asyncio.gather(
        own_sender.send(ID),
        *(own_sender.send(echo(str(n))) for n in range(100)),
        own_sender.send(ID),
    )

    assert replies == [str(n) for n in range(100)]
    assert first == last


async def test_a_call_that_waits_at_the_server_holds_up_no_other(own_sender, prefix, wait_until):
    waiting = asyncio.create_task(
        own_sender.send(read_events(QueueKeys(prefix, "orders"), START, block_ms=5_000))
    )
    await wait_until(lambda: is_somebody_blocked(own_sender))

    async with asyncio.timeout(2):
        assert await own_sender.send(echo("a")) == "a"

    waiting.cancel()
    await asyncio.wait([waiting])


async def is_somebody_blocked(sender: AsyncSender) -> bool:
    info = await sender.send(Call(None, (), ("INFO", "clients"), dict))
    return int(info["blocked_clients"]) > 0


async def test_the_reply_to_a_cancelled_call_is_passed_over(own_sender):
    line = await own_sender.send(ID)
    calls = [asyncio.create_task(own_sender.send(echo(str(n)))) for n in range(3)]
    await asyncio.sleep(0)

    calls[1].cancel()
    done = await asyncio.gather(*calls, return_exceptions=True)

    assert [done[0], done[2]] == ["0", "2"]
    assert isinstance(done[1], asyncio.CancelledError)
    assert await own_sender.send(ID) == line


async def test_a_server_that_refuses_is_left_once_it_has_answered_what_is_under_way(own_sender):
    left = await own_sender.send(ID)
    calls = [asyncio.create_task(own_sender.send(echo(str(n)))) for n in range(3)]
    await asyncio.sleep(0)

    await own_sender._drop_dead(exceptions.ReadOnlyError("READONLY"))

    assert await own_sender.send(ID) != left
    assert await asyncio.gather(*calls) == ["0", "1", "2"]


async def test_a_lost_line_fails_what_is_under_way_and_the_next_call_opens_another(
    own_sender, redis, prefix, wait_until
):
    lost = await own_sender.send(ID)
    unanswered: Call[Any] = Call(None, (), ("BZPOPMIN", prefix, 0), list)
    calls = [asyncio.create_task(own_sender.send(call)) for call in (unanswered, echo("a"))]
    await asyncio.sleep(0)

    await redis.client_kill_filter(_id=lost)
    done = await asyncio.gather(*calls, return_exceptions=True)

    assert [type(each) for each in done] == [RedisUnavailable, RedisUnavailable]
    assert await own_sender.send(ID) != lost


async def test_a_reply_that_does_not_come_in_time_ends_the_line(server):
    stuck = await asyncio.start_unix_server(answer_handshakes_only, server.url[7:] + ".stuck")
    redis = connect(f"{server.url}.stuck")
    sender = AsyncSender(redis)
    await sender.send(Call(None, (), ("CLIENT", "SETINFO"), str))
    line = sender._line
    assert line is not None
    line._reply_timeout_s = 0.05

    with pytest.raises(RedisUnavailable, match=r"does not answer: no reply within 0.05 s"):
        await sender.send(echo("a"))

    assert not line.is_open
    await redis.aclose()
    stuck.close()


async def answer_handshakes_only(reader: asyncio.StreamReader, writer: Any) -> None:
    while data := await reader.read(10_000):
        writer.write(b"+OK\r\n" * data.count(b"SETINFO"))
    writer.close()


async def test_a_line_can_wait_at_the_server_and_be_closed_there(server, prefix):
    redis = connect(server.url, blocking=True)
    line = await Line.open(redis)
    blocked = line.send(pack_command(("BZPOPMIN", prefix, 0)))

    line.close()
    line.close()

    with pytest.raises(exceptions.ConnectionError, match=r"the connection was closed"):
        await blocked
    await redis.aclose()
