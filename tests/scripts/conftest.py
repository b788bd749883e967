"""The table that tests of Lua scripts are written as: state before, call, state after, events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import pytest
from redis.asyncio import Redis

from toril.runtime.call import Call
from toril.runtime.keys import QueueKeys

#: A step of a table: a call for the queue, or a command whose first argument is a key of the queue.
Step = Callable[[QueueKeys], Call[Any]] | tuple[Any, ...]

STATES = {
    "wait": [],
    "paused": [],
    "active": [],
    "prioritized": {},
    "delayed": {},
    "waiting-children": {},
    "completed": {},
    "failed": {},
}


@pytest.fixture
def check(sender, redis: Redis, keys: QueueKeys) -> Callable[..., Awaitable[Any]]:
    """`await check(before=[...], call=..., reply=..., after={...}, events=[...])`.

    Keys are named by what follows the queue's base, those of other queues `P:QUEUE:...`; `P` stands
    for the prefix in values too. `after` is compared like this: the states and the locks in full;
    other keys where named; hashes in the fields named; None says that a key or a field is absent.
    Events are written as text, `NAME FIELD=VALUE...`. Gives the reply.
    """

    async def run(
        *,
        call: Step,
        before: Sequence[Step] = (),
        after: Mapping[str, Any] | None = None,
        events: Sequence[str] | None = None,
        reply: Any = ...,
    ) -> Any:
        for step in before:
            await send_step(sender, redis, keys, step)
        last_event = await redis.xrevrange(keys.events, count=1)

        answer = await send_step(sender, redis, keys, call)

        if reply is not ...:
            assert answer == reply
        if after is not None:
            compare(await read_keys(redis, keys), after)
        if events is not None:
            start = f"({last_event[0][0].decode()}" if last_event else "-"
            assert await read_events(redis, keys, start) == list(events)
        return answer

    return run


async def send_step(sender, redis: Redis, keys: QueueKeys, step: Step) -> Any:
    if callable(step):
        return await sender.send(step(keys))
    name, key, *rest = step
    return await redis.execute_command(
        name, key_of(keys, key), *(key_of_value(keys, v) for v in rest)
    )


def key_of(keys: QueueKeys, name: str) -> str:
    return keys.prefix + name[1:] if name.startswith("P:") else keys.base + name


def key_of_value(keys: QueueKeys, value: Any) -> Any:
    return value.replace("P:", f"{keys.prefix}:") if isinstance(value, str) else value


async def read_keys(redis: Redis, keys: QueueKeys) -> dict[str, Any]:
    found = {}
    async for raw in redis.scan_iter(match=f"{keys.prefix}:*", count=1000):
        key = raw.decode()
        name = (
            key.removeprefix(keys.base)
            if key.startswith(keys.base)
            else "P" + key[len(keys.prefix) :]
        )
        value = await READERS[(await redis.type(raw)).decode()](redis, key)
        found[name] = as_text(value, keys.prefix)
    return found


async def read_zset(redis: Redis, key: str) -> dict[str, int]:
    pairs = await redis.zrange(key, 0, -1, withscores=True)
    return {member: int(score) for member, score in pairs}


READERS: dict[str, Callable[[Redis, str], Any]] = {
    "string": lambda redis, key: redis.get(key),
    "list": lambda redis, key: redis.lrange(key, 0, -1),
    "set": lambda redis, key: redis.smembers(key),
    "hash": lambda redis, key: redis.hgetall(key),
    "stream": lambda redis, key: redis.xlen(key),
    "zset": read_zset,
}


def as_text(value: Any, prefix: str) -> Any:
    if isinstance(value, bytes):
        return value.decode().replace(f"{prefix}:", "P:")
    if isinstance(value, dict):
        return {as_text(k, prefix): as_text(v, prefix) for k, v in value.items()}
    if isinstance(value, list | set):
        return type(value)(as_text(item, prefix) for item in value)
    return value


async def read_events(redis: Redis, keys: QueueKeys, start: str) -> list[str]:
    lines = []
    for _, raw in await redis.xrange(keys.events, min=start):
        fields = as_text(raw, keys.prefix)
        lines.append(" ".join([fields.pop("event"), *(f"{k}={v}" for k, v in fields.items())]))
    return lines


def compare(found: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    for name, expected in {**STATES, **after}.items():
        actual = found.get(name, STATES.get(name))
        if isinstance(expected, dict) and isinstance(actual, dict) and name not in STATES:
            assert {field: actual.get(field) for field in expected} == expected, name
        else:
            assert actual == expected, name
    locks = {name: value for name, value in found.items() if name.endswith(":lock")}
    assert locks == {
        name: value for name, value in after.items() if name.endswith(":lock") and value
    }
