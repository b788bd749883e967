"""A worker process: what its supervisor starts, `python -m toril.runner.worker_process`."""

from __future__ import annotations

import asyncio
import faulthandler
import importlib
import os
import resource
import signal
import socket
import sys
import time
import traceback
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from toril.adding import make_job_factory
from toril.client import Client
from toril.clock import SystemClock
from toril.errors import TorilError
from toril.plugins.manager import PluginManager
from toril.plugins.observers import Observers
from toril.runner.channel import Channel
from toril.runner.job_processes import JobProcesses
from toril.runner.lifeline import die_with
from toril.runner.order import WorkerOrder, read_order
from toril.runner.telling import Telling
from toril.runtime.connection import connect, connect_sync
from toril.runtime.sender import AsyncSender
from toril.runtime.sync_sender import SyncSender
from toril.runtime.worker.worker import Worker
from toril.sync_client import SyncClient

#: Exit codes of sysexits.h: a configuration that cannot run; a fault of ours.
CANNOT_RUN = 78
SOFTWARE_FAULT = 70

#: How often counts are sent to the supervisor.
_REPORT_EVERY_S = 0.1

#: Open files that a worker process may have, if the system lets it.
_FILES = 65_536


def main() -> None:
    """Serves its supervisor until told to stop, or until that is gone."""
    descriptor, supervisor = int(sys.argv[1]), int(sys.argv[2])
    die_with(supervisor)
    _allow_files()
    faulthandler.enable()
    # Ctrl-C is the supervisor's affair, and so is the grace that running jobs have.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with asyncio.Runner(loop_factory=_find_loop_factory()) as runner:
        code = runner.run(_serve(socket.socket(fileno=descriptor)))
        sys.stdout.flush()
        # Threads that never return must not keep the process; everything is settled by now.
        os._exit(code)


def _allow_files() -> None:
    """Lets this process have as many files open as it may: each queue served is a connection."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if most == resource.RLIM_INFINITY else min(most, _FILES)
    if allowed != resource.RLIM_INFINITY and allowed < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def _find_loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        factory: Callable[[], asyncio.AbstractEventLoop]
        factory = importlib.import_module("uvloop").new_event_loop
    except ImportError:
        return None
    return factory


async def _serve(end: socket.socket) -> int:
    channel = await Channel.open(end)
    messages = channel.messages()
    order = read_order(await anext(messages))
    process = ServingProcess(order, channel)
    try:
        process.build()
    except TorilError as error:
        channel.send({"say": "failed", "error": str(error)})
        await channel.flush()
        return CANNOT_RUN
    listening = asyncio.create_task(process.listen(messages))
    try:
        return await process.run()
    finally:
        listening.cancel()
        await channel.flush()


class ServingProcess:
    """This process, once it has its order."""

    def __init__(self, order: WorkerOrder, channel: Channel) -> None:
        self._order = order
        self._channel = channel
        self._loop = asyncio.get_running_loop()
        self._clock = SystemClock()
        self._clock.offset_ms = order.clock_offset_ms
        self._telling = Telling(
            lambda message: channel.send(message, may_be_lost=True), monotonic=time.monotonic
        )

    def build(self) -> None:
        """Loads the plugins and makes the worker; raises PluginError, SecretError."""
        order, pipeline = self._order, self._order.pipeline
        queues = list(pipeline.worked_queues)
        plugins = PluginManager.load(pipeline.plugins)
        self._observers = Observers(plugins, self._telling.tell)
        self._sender = AsyncSender(connect(order.redis_url, name="toril"))
        self._client = Client(
            pipeline, sender=self._sender, clock=self._clock, observers=self._observers
        )
        self._thread_redis = connect_sync(order.redis_url, name="toril")
        thread_client = SyncClient(
            pipeline,
            sender=SyncSender(self._thread_redis),
            clock=self._clock,
            observers=Observers(plugins, self._tell_from_thread),
        )
        self._processes = JobProcesses(order, self._channel.send)
        self._worker = Worker(
            pipeline=pipeline,
            queues=queues,
            processors=plugins.processors,
            backoffs=plugins.backoffs,
            sender=self._sender,
            connect_blocking=lambda: connect(order.redis_url, blocking=True),
            clock=self._clock,
            token=order.token,
            name=order.name,
            observers=self._observers,
            client=self._client,
            thread_client=thread_client,
            processes=self._processes,
            check_data=self._client.check_data,
            sources=plugins.sources,
            build_job=make_job_factory(pipeline, self._clock),
            renews_locks=False,
            announce=pipeline.redis.announce_workers,
            resolve_secret=plugins.resolve_secret,
            # The supervisor has made them this token's before the start.
            adopt=[(queue.name, order.token) for queue in queues] if order.runs_alone else None,
            on_event=self._telling.tell,
            # Then the supervisor must know what runs when this process dies.
            tells_starts=order.runs_alone,
        )

    async def run(self) -> int:
        """Runs jobs until told to stop; gives the exit code."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop, self._order.grace_s)
        reporting = asyncio.create_task(self._keep_reporting())
        self._channel.send({"say": "ready"})
        try:
            await self._worker.run()
        except Exception as error:  # noqa: BLE001 - the edge of the process: told, and it ends
            traceback.print_exception(error)
            return SOFTWARE_FAULT
        finally:
            reporting.cancel()
            self._telling.report()
        await self._processes.close()
        await self._client.close()
        await self._observers.drain()
        self._thread_redis.close()
        await self._sender.redis.aclose()
        return 0

    async def listen(self, messages: AsyncIterator[dict[str, Any]]) -> None:
        """Does what the supervisor says; without one there is nothing to live for."""
        async for message in messages:
            if message["do"] == "stop":
                self._stop(message["grace_s"])
            elif message["do"] == "locked":
                self._worker.keep_locked(message["queues"], message["owned"], message["as_of"])
            elif message["do"] == "clock":
                self._clock.offset_ms = message["offset_ms"]
            elif message["do"] == "stalled":
                self._tell_stalled(message["queue"], message["ids"])
        os._exit(SOFTWARE_FAULT)

    def _stop(self, grace_s: float) -> None:
        self._stopping = asyncio.create_task(self._worker.stop(grace_s))

    def _tell_stalled(self, queue: str, ids: list[str]) -> None:
        for job_id in ids:
            self._observers.notify("toril_job_stalled", queue=queue, job_id=job_id)

    def _tell_from_thread(self, event: str, fields: Mapping[str, Any]) -> None:
        self._loop.call_soon_threadsafe(self._telling.tell, event, fields)

    async def _keep_reporting(self) -> None:
        while True:
            await asyncio.sleep(_REPORT_EVERY_S)
            self._telling.report()


if __name__ == "__main__":
    main()
