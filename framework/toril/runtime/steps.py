"""Operations of many calls, written once: generators that yield calls and are sent the replies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeVar

from toril.errors import TorilError
from toril.runtime.call import Call

T = TypeVar("T")

#: What such an operation is, and what it gives in the end.
Steps = Generator[Call[Any], Any, T]


async def walk(steps: Steps[T], send: Callable[[Call[Any]], Awaitable[Any]]) -> T:
    """Sends the calls of an operation one after another and gives what it gives."""
    try:
        call = next(steps)
        while True:
            try:
                reply = await send(call)
            except TorilError as error:
                call = steps.throw(error)
            else:
                call = steps.send(reply)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        steps.close()


def walk_sync(steps: Steps[T], send: Callable[[Call[Any]], Any]) -> T:
    """The same, blocking."""
    try:
        call = next(steps)
        while True:
            try:
                reply = send(call)
            except TorilError as error:
                call = steps.throw(error)
            else:
                call = steps.send(reply)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        steps.close()
