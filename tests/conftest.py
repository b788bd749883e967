"""Fixtures for all tests."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from toril.declarations.units import parse_duration_ms


@pytest.fixture
def wait_until() -> Callable[..., Awaitable[None]]:
    """`await wait_until(condition, within="2s")`: the condition may be async."""

    async def wait(condition: Callable[[], Any], within: str = "2s") -> None:
        deadline = time.monotonic() + parse_duration_ms(within) / 1000
        while True:
            answer = condition()
            if inspect.isawaitable(answer):
                answer = await answer
            if answer:
                return
            assert time.monotonic() < deadline, f"not true within {within}"
            await asyncio.sleep(0.01)

    return wait


@pytest.fixture
def block_until() -> Callable[..., None]:
    """`block_until(condition, within="2s")`: the same for tests without a loop."""

    def wait(condition: Callable[[], Any], within: str = "2s") -> None:
        deadline = time.monotonic() + parse_duration_ms(within) / 1000
        pause = threading.Event()
        while not condition():
            assert time.monotonic() < deadline, f"not true within {within}"
            pause.wait(0.01)

    return wait
