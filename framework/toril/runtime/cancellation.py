"""Cancellation that is not lost: before Python 3.12 redis-py may swallow one as it sends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def heed_cancellation(awaitable: Awaitable[T]) -> T:
    """Awaits, and ends with the cancellation that came meanwhile even if something swallowed it.

    A task that lost one would go on for ever, and whoever waits for its end with it.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task is not None else 0
    try:
        result = await awaitable
    except asyncio.CancelledError:
        raise
    except Exception as error:
        if task is not None and task.cancelling() > before:
            raise asyncio.CancelledError from error
        raise
    if task is not None and task.cancelling() > before:
        raise asyncio.CancelledError
    return result
