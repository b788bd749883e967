"""Fixtures of the fault tests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from toril.declarations.units import parse_duration_ms


@pytest.fixture
def block_until() -> Callable[..., None]:
    """`block_until(condition, within="2s")`: `wait_until` for tests without a loop."""

    def wait(condition: Callable[[], Any], within: str = "2s") -> None:
        deadline = time.monotonic() + parse_duration_ms(within) / 1000
        pause = threading.Event()
        while not condition():
            assert time.monotonic() < deadline, f"{condition} did not come true within {within}"
            pause.wait(0.01)

    return wait
