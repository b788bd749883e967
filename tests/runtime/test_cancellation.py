"""Cancelling what waits for Redis, at every point of the wait."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from toril.runtime.call import Call
from toril.runtime.connection import connect
from toril.runtime.sender import AsyncSender

PING: Call[bool] = Call(None, (), ("PING",), bool)


@pytest.mark.parametrize("turns", range(16))
@pytest.mark.parametrize("many", [False, True])
async def test_a_cancelled_call_ends_its_task(server: Any, turns: int, many: bool) -> None:
    redis = connect(server.url)
    sender = AsyncSender(redis)

    async def send_and_go_on() -> None:
        await (sender.send_many([PING, PING]) if many else sender.send(PING))
        await asyncio.Event().wait()

    tasks = [asyncio.create_task(send_and_go_on()) for _ in range(3)]
    for _ in range(turns):
        await asyncio.sleep(0)

    for task in tasks:
        task.cancel()
    _, left = await asyncio.wait(tasks, timeout=1)

    assert not left
    assert await sender.send(PING)
    await redis.aclose()
