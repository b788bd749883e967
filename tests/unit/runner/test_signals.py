"""What signals mean to a runner."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable

import pytest

from toril.runner.signals import StopSignals


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_the_first_signal_stops_and_a_later_ctrl_c_hurries(
    first: signal.Signals, wait_until: Callable[..., Awaitable[None]]
) -> None:
    heard: list[str] = []
    signals = StopSignals(heard.append, lambda: heard.append("hurry"))
    signals.install()

    os.kill(os.getpid(), first)
    await wait_until(lambda: len(heard) == 1)
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGINT)
    await wait_until(lambda: len(heard) == 2)
    signals.uninstall()

    assert heard == [first.name, "hurry"]


async def test_uninstalling_before_installing_is_no_error() -> None:
    StopSignals(print, print).uninstall()
