"""Tests of the threads that plain functions run in."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

from toril.runtime.worker.threads import Threads


@pytest.fixture
def threads():
    made = Threads("test")
    yield made
    made.close()


async def test_what_a_function_returns_or_raises_comes_back_as_a_value(threads):
    error = SystemExit(3)

    def fail():
        raise error

    assert await threads.run(lambda: 5) == (True, 5)
    assert await threads.run(fail) == (False, error)


async def test_as_many_run_at_once_as_are_asked_for(threads):
    barrier = threading.Barrier(30)

    endings = await asyncio.gather(*(threads.run(lambda: barrier.wait(5)) for _ in range(30)))

    assert all(is_ok for is_ok, _ in endings)


async def test_threads_are_used_again(threads):
    names = {(await threads.run(lambda: threading.current_thread().name))[1] for _ in range(20)}

    assert names == {"test-1"}


async def test_context_variables_reach_the_thread(threads):
    user: contextvars.ContextVar[str] = contextvars.ContextVar("user")
    user.set("u1")

    assert await threads.run(user.get) == (True, "u1")


async def test_a_caller_that_is_cancelled_does_not_harm_the_thread(threads):
    release = threading.Event()
    waiting = asyncio.create_task(threads.run(release.wait))
    await asyncio.sleep(0)

    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    release.set()

    assert await threads.run(lambda: "next") == (True, "next")


async def test_threads_do_not_keep_the_process():
    threads = Threads("daemon")

    _, is_daemon = await threads.run(lambda: threading.current_thread().daemon)

    assert is_daemon
    threads.close()
    threads.close()
