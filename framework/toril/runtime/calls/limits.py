"""Calls on what a queue allows over all its workers, Node's too: jobs at once, starts per time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from toril.declarations.backoff import MAX_DELAY_MS
from toril.declarations.queue import KeyLimit
from toril.declarations.units import MAX_LIMIT, Rate
from toril.runtime.call import Call
from toril.runtime.keys import QueueKeys
from toril.runtime.limit_keys import describe_limits
from toril.runtime.steps import Steps

#: BullMQ's count of starts that stands for a limit set by hand.
HELD_BY_HAND = 2**53 - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyBounds:
    """What each key of one limit per key may have; None is no bound."""

    max_active: int | None
    rate: Rate | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a queue allows, and for how long a rate limit holds it now."""

    #: Jobs active at once; None is no bound.
    max_active: int | None = None
    #: Starts per time; None is no bound.
    rate: Rate | None = None
    #: Above 0: no job can be claimed for so long.
    held_ms: int = 0
    #: Of each of its limits per key.
    per_key: tuple[KeyBounds, ...] = ()


def read_limits(keys: QueueKeys) -> Call[Limits]:
    """Reads a queue's limits at one instant."""

    def parse(reply: list[Any]) -> Limits:
        max_active, count, per_ms, started = map(_to_int, reply[:4])
        rate = Rate(count, per_ms) if count and per_ms else None
        is_held = (started or 0) >= (HELD_BY_HAND if rate is None else rate.count)
        held_ms = max(int(reply[4]), 0) if is_held else 0
        per_key = (
            () if reply[5] is None else tuple(map(_read_bounds, msgspec.json.decode(reply[5])))
        )
        return Limits(max_active=max_active, rate=rate, held_ms=held_ms, per_key=per_key)

    return Call("read_limits", (keys.base,), (), parse)


def set_max_active(keys: QueueKeys, max_active: int | None) -> Call[None]:
    """Bounds how many jobs are active at once; None lifts the bound. Raises ValueError."""
    if max_active is not None:
        _check_count("max_active", max_active)
    value = "" if max_active is None else max_active
    return Call("set_limits", (keys.base,), ("concurrency", value), lambda _: None)


def set_rate(keys: QueueKeys, rate: Rate | None) -> Call[None]:
    """Bounds how many jobs start per time; None lifts the bound. Raises ValueError."""
    count: int | str = ""
    per_ms: int | str = ""
    if rate is not None:
        _check_count("a rate's count", rate.count)
        _check_span("a rate's time", rate.per_ms)
        count, per_ms = rate.count, rate.per_ms
    args = ("max", count, "duration", per_ms)
    return Call("set_limits", (keys.base,), args, lambda _: None)


def admit_start(keys: QueueKeys, job_id: str, token: str, *, now_ms: int) -> Call[int]:
    """Counts a start of a job that is active already and runs again; or gives for how many ms it
    has to wait, 0 if it may start, -1 if it is not the token's any more.
    """
    return Call("admit_start", (keys.base,), (now_ms, job_id, token), int)


def apply_limits(
    keys: QueueKeys, max_active: int | None, rate: Rate | None, key_limits: Sequence[KeyLimit] = ()
) -> Steps[bool]:
    """Brings a queue to the limits that are declared; tells whether that changed anything.

    A declaration that was applied before changes nothing, so what was set by hand since stays.
    """
    args: tuple[int | str, ...] = (
        "" if max_active is None else max_active,
        "" if rate is None else rate.count,
        "" if rate is None else rate.per_ms,
        describe_limits(key_limits),
    )
    answer = 2
    while answer == 2:
        answer = yield Call("apply_limits", (keys.base,), args, int)
    return answer == 1


def set_key_max_active(
    keys: QueueKeys, number: int, max_active: int | None, *, now_ms: int
) -> Steps[bool]:
    """Bounds how many jobs of one key are active at once, by the queue's limit of that number.

    The first is 1; None lifts the bound. Gives False if the queue has no such limit. Raises
    ValueError.
    """
    if max_active is not None:
        _check_count("max_active", max_active)
    return _set_key_limit(keys, (number, max_active or 0, "", ""), now_ms)


def set_key_rate(keys: QueueKeys, number: int, rate: Rate | None, *, now_ms: int) -> Steps[bool]:
    """Bounds how many jobs of one key start per time; as `set_key_max_active`."""
    if rate is None:
        return _set_key_limit(keys, (number, "", 0, 0), now_ms)
    _check_count("a rate's count", rate.count)
    _check_span("a rate's time", rate.per_ms)
    return _set_key_limit(keys, (number, "", rate.count, rate.per_ms), now_ms)


def _set_key_limit(keys: QueueKeys, args: tuple[int | str, ...], now_ms: int) -> Steps[bool]:
    is_set = yield Call("set_key_limit", (keys.base,), args, bool)
    if is_set:
        yield from wake_parked(keys, now_ms=now_ms)
    return bool(is_set)


def wake_parked(keys: QueueKeys, *, now_ms: int) -> Steps[None]:
    """Sees to it that whoever waits for a key goes on when it may."""
    cursor = 0
    while True:
        cursor = yield Call("wake_parked", (keys.base,), (now_ms, cursor), int)
        if cursor == 0:
            return


def bind_keys(keys: QueueKeys, job_id: str, limit_keys: str) -> Call[None]:
    """Stores the keys of a job's limits with it, JSON; for one that was added without."""
    return Call("bind_keys", (keys.base,), (job_id, limit_keys), lambda _: None)


def hold(keys: QueueKeys, held_ms: int) -> Call[None]:
    """Has no job claimed for so long, in place of the limit that holds now. Raises ValueError."""
    _check_span("the time of a limit", held_ms)
    args = ("SET", keys.limiter, str(HELD_BY_HAND), "PX", held_ms)
    return Call(None, (), args, lambda _: None)


def release(keys: QueueKeys) -> Call[bool]:
    """Ends the rate limit that holds now; gives False if none was counted."""
    return Call("release_rate_limit", (keys.base,), (), bool)


def _check_count(what: str, count: int) -> None:
    if type(count) is not int or not 1 <= count <= MAX_LIMIT:
        raise ValueError(f"expected {what} of 1 to {MAX_LIMIT}, got {count!r}")


def _check_span(what: str, span_ms: int) -> None:
    if not 1 <= span_ms <= MAX_DELAY_MS:
        raise ValueError(f"expected {what} to be above 0 and at most ten years, got {span_ms} ms")


def _read_bounds(row: list[float]) -> KeyBounds:
    max_active, count, per_ms = map(int, row)
    return KeyBounds(max_active=max_active or None, rate=Rate(count, per_ms) if count else None)


def _to_int(raw: bytes | None) -> int | None:
    """A peer's number, None if it is none."""
    try:
        return None if raw is None else int(float(raw))
    except (ValueError, OverflowError):
        return None
