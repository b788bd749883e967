"""Calls on what a queue allows over all its workers, Node's too: jobs at once, starts per time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from toril.declarations.backoff import MAX_DELAY_MS
from toril.declarations.units import MAX_LIMIT, Rate
from toril.runtime.call import Call
from toril.runtime.keys import QueueKeys

#: BullMQ's count of starts that stands for a limit set by hand.
HELD_BY_HAND = 2**53 - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a queue allows, and for how long a rate limit holds it now."""

    #: Jobs active at once; None is no bound.
    max_active: int | None = None
    #: Starts per time; None is no bound.
    rate: Rate | None = None
    #: Above 0: no job can be claimed for so long.
    held_ms: int = 0


def read_limits(keys: QueueKeys) -> Call[Limits]:
    """Reads a queue's limits at one instant."""

    def parse(reply: list[Any]) -> Limits:
        max_active, count, per_ms, started = map(_to_int, reply[:4])
        rate = Rate(count, per_ms) if count and per_ms else None
        is_held = (started or 0) >= (HELD_BY_HAND if rate is None else rate.count)
        held_ms = max(int(reply[4]), 0) if is_held else 0
        return Limits(max_active=max_active, rate=rate, held_ms=held_ms)

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


def apply_limits(keys: QueueKeys, max_active: int | None, rate: Rate | None) -> Call[bool]:
    """Brings a queue to the limits that are declared; tells whether that changed anything.

    A declaration that was applied before changes nothing, so what was set by hand since stays.
    """
    args: tuple[int | str, ...] = (
        "" if max_active is None else max_active,
        "" if rate is None else rate.count,
        "" if rate is None else rate.per_ms,
    )
    return Call("apply_limits", (keys.base,), args, bool)


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


def _to_int(raw: bytes | None) -> int | None:
    """A peer's number, None if it is none."""
    try:
        return None if raw is None else int(float(raw))
    except (ValueError, OverflowError):
        return None
