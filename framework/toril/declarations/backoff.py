"""Backoff: how long to wait before the next attempt.

A backoff type is a tenacity wait strategy: it is asked for a number, the waiting is done in Redis.
`fixed` and `exponential` follow BullMQ's formula, so that a Node worker waits as long.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tenacity import RetryCallState, Retrying
from tenacity.wait import wait_base

#: Builds the strategy of a type from its declaration.
WaitFactory = Callable[["Backoff"], wait_base]


@dataclass(frozen=True, kw_only=True, slots=True)
class Backoff:
    """What the YAML says under `backoff:`."""

    type: str = "fixed"
    delay_ms: int = 0
    max_ms: int | None = None
    #: Share of the delay that is random, 0 to 1: the delay lies in [d * (1 - jitter), d].
    jitter: float = 0.0
    #: The pauses of type `list`; the last one repeats.
    delays_ms: tuple[int, ...] = ()
    #: What a plugin's own type takes beside these.
    options: Mapping[str, Any] = field(default_factory=dict)


class wait_doubling(wait_base):
    """delay * 2^(attempt - 1), BullMQ's `exponential`."""

    def __init__(self, delay_s: float) -> None:
        self.delay_s = delay_s

    def __call__(self, retry_state: RetryCallState) -> float:
        # Past 2^60 no delay is left to compute; the bound keeps the power a small number.
        return self.delay_s * float(2 ** min(retry_state.attempt_number - 1, 60))


class wait_linear(wait_base):
    """delay * attempt."""

    def __init__(self, delay_s: float) -> None:
        self.delay_s = delay_s

    def __call__(self, retry_state: RetryCallState) -> float:
        return self.delay_s * retry_state.attempt_number


class wait_constant(wait_base):
    """The same pause every time."""

    def __init__(self, delay_s: float) -> None:
        self.delay_s = delay_s

    def __call__(self, retry_state: RetryCallState) -> float:
        return self.delay_s


class wait_list(wait_base):
    """One pause after the other; the last one repeats."""

    def __init__(self, delays_s: tuple[float, ...]) -> None:
        self.delays_s = delays_s

    def __call__(self, retry_state: RetryCallState) -> float:
        return self.delays_s[min(retry_state.attempt_number, len(self.delays_s)) - 1]


class wait_uniform(wait_base):
    """Anything from nothing to the delay."""

    def __init__(self, delay_s: float) -> None:
        self.delay_s = delay_s

    def __call__(self, retry_state: RetryCallState) -> float:
        return random.uniform(0, self.delay_s)


BUILTIN_BACKOFFS: Mapping[str, WaitFactory] = {
    "fixed": lambda b: wait_constant(b.delay_ms / 1000),
    "exponential": lambda b: wait_doubling(b.delay_ms / 1000),
    "linear": lambda b: wait_linear(b.delay_ms / 1000),
    "list": lambda b: wait_list(tuple(ms / 1000 for ms in b.delays_ms)),
    "random": lambda b: wait_uniform(b.delay_ms / 1000),
}

#: A Node worker computes these the same way.
NODE_BACKOFFS = frozenset({"fixed", "exponential"})

#: Past this the delayed score would leave the exact integers of a double.
MAX_DELAY_MS = 10 * 365 * 86_400_000


def compute_delay_ms(
    backoff: Backoff | None,
    attempt: int,
    *,
    random_unit: float,
    factories: Mapping[str, WaitFactory] = BUILTIN_BACKOFFS,
    error: BaseException | None = None,
) -> int:
    """Gives the pause in ms after the failed attempt number `attempt` (1 for the first).

    `random_unit` in 0..1 decides the jitter. `factories` maps every known type, plugins' included;
    raises KeyError for a type it lacks. The error is shown to the strategy as tenacity would.
    """
    if backoff is None:
        return 0
    state = RetryCallState(Retrying(), None, (), {})
    state.attempt_number = attempt
    if error is not None:
        state.set_exception((type(error), error, error.__traceback__))
    delay_ms = factories[backoff.type](backoff)(state) * 1000
    if backoff.max_ms is not None:
        delay_ms = min(delay_ms, backoff.max_ms)
    delay_ms = min(max(delay_ms, 0), MAX_DELAY_MS)
    return int(random_unit * delay_ms * backoff.jitter + delay_ms * (1 - backoff.jitter))
