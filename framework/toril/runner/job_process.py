"""A process that runs jobs of `run_in: process`: `python -m toril.runner.job_process`.

Jobs run in the main thread, where libraries expect to be; the loop, on which the worker is heard
and coroutines run, has a thread of its own.
"""

from __future__ import annotations

import asyncio
import faulthandler
import inspect
import itertools
import os
import queue
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar, cast

import msgspec

from toril import errors
from toril.client import Client
from toril.clock import SystemClock
from toril.opening import log_event
from toril.plugins.manager import PluginManager
from toril.plugins.observers import Observers
from toril.runner.channel import Channel
from toril.runner.lifeline import die_with
from toril.runner.order import WorkerOrder, read_order
from toril.runtime.calls.durable_steps import encode_step
from toril.runtime.codec import encode_json
from toril.runtime.connection import connect, connect_sync
from toril.runtime.flows import read_results
from toril.runtime.job import ClaimedJob
from toril.runtime.outcomes import Settlement
from toril.runtime.sender import AsyncSender
from toril.runtime.sync_sender import SyncSender
from toril.runtime.worker.decide import decide_success
from toril.runtime.worker.handles import RunningJob, RunningThreadJob
from toril.runtime.worker.judging import find_policy, judge
from toril.runtime.worker.plans import Plan, PlanKey, build_plans, find_plan
from toril.sync_client import SyncClient

T = TypeVar("T")

Message = Mapping[str, Any]


def main() -> None:
    """Runs jobs until the worker speaks no more."""
    descriptor, worker = int(sys.argv[1]), int(sys.argv[2])
    die_with(worker)
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    runs: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
    ear = Ear(socket.socket(fileno=descriptor), runs)
    threading.Thread(target=ear.listen, name="toril-ear", daemon=True).start()
    order = runs.get()
    if order is None:
        return
    try:
        runner = JobRunner(read_order(order), ear)
        ear.send({"say": "ready"})
        while (message := runs.get()) is not None:
            ear.is_busy = True
            outcome = runner.run(message)
            ear.is_busy = False
            ear.send({"say": "ended", "kind": type(outcome).__name__, "outcome": outcome})
    except errors.TorilError as error:
        ear.send({"say": "failed", "error": str(error)})
        runs.get()


class Ear:
    """The thread that hears the worker."""

    def __init__(self, end: socket.socket, runs: queue.SimpleQueue[Message | None]) -> None:
        self._end = end
        self._runs = runs
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Message]] = {}
        self.loop = asyncio.new_event_loop()
        self.is_busy = False

    def listen(self) -> None:
        """Hears until the worker is gone."""
        try:
            self.loop.run_until_complete(self._listen())
        finally:
            if self.is_busy:
                os._exit(1)
            self._runs.put(None)

    def send(self, message: Message) -> None:
        """Tells the worker something; from any thread."""
        self.loop.call_soon_threadsafe(self._channel.send, message)

    def wait(self, running: Awaitable[T]) -> T:
        """Runs a coroutine on the loop, for the main thread."""
        error, result = asyncio.run_coroutine_threadsafe(_finish(running), self.loop).result()
        if error is not None:
            raise error
        return cast(T, result)

    async def ask(self, method: str, *given: bytes) -> Any:
        """Has the worker do one of `Reports` for the job, with JSON; raises what that raises."""
        number = next(self._numbers)
        answered = self._answers[number] = self.loop.create_future()
        texts = [each.decode() for each in given]
        self._channel.send({"say": "ask", "number": number, "method": method, "given": texts})
        answer = await answered
        if "error" in answer:
            raise getattr(errors, answer["error"])(answer["text"])
        return answer["value"]

    async def _listen(self) -> None:
        self._channel = await Channel.open(self._end)
        async for message in self._channel.messages():
            if message["do"] == "answer":
                self._answers.pop(message["number"]).set_result(message)
            else:
                self._runs.put(message)


class AskedReports:
    """What a job tells and changes of itself: the worker does it."""

    def __init__(self, ear: Ear) -> None:
        self._ear = ear

    async def progress(self, _job: ClaimedJob, value: Any) -> None:
        """Stores how far the job is; raises InvalidData unless it is JSON."""
        await self._ear.ask("progress", encode_json(value, "progress"))

    async def log(self, _job: ClaimedJob, line: str) -> None:
        """Adds a line to the job's log."""
        await self._ear.ask("log", encode_json(str(line), "a line"))

    async def update_data(self, _job: ClaimedJob, data: Any) -> None:
        """Replaces the job's data; raises InvalidData or PayloadTooLarge."""
        await self._ear.ask("update_data", encode_json(data, "data"))

    async def keep_step(self, _job: ClaimedJob, name: str, result: Any) -> Any:
        """Keeps the result of a durable step; gives the one that is kept."""
        encoded = encode_step(name, result)
        return await self._ear.ask("keep_step", encode_json(name, "a name"), encoded)

    async def ignored_failures(self, _job: ClaimedJob) -> dict[str, str]:
        """Gives why children failed that the job goes on without, by their ids."""
        failures: dict[str, str] = await self._ear.ask("ignored_failures")
        return failures

    async def remove_pending_children(self, _job: ClaimedJob) -> int:
        """Removes the job's children that have not begun, and gives how many jobs went."""
        removed: int = await self._ear.ask("remove_pending_children")
        return removed


class JobRunner:
    """Runs jobs of one pipeline."""

    def __init__(self, order: WorkerOrder, ear: Ear) -> None:
        """Loads the plugins; raises PluginError, SecretError."""
        self._pipeline = order.pipeline
        self._ear = ear
        self._clock = SystemClock()
        self._plugins = PluginManager.load(order.pipeline.plugins)
        self._plans: dict[str, Mapping[PlanKey, Plan]] = {}
        self._reports = AskedReports(ear)
        observers = Observers(self._plugins, log_event)
        self._client = Client(
            order.pipeline,
            sender=AsyncSender(connect(order.redis_url, name="toril")),
            clock=self._clock,
            observers=observers,
        )
        self._thread_client = SyncClient(
            order.pipeline,
            sender=SyncSender(connect_sync(order.redis_url, name="toril")),
            clock=self._clock,
            observers=observers,
        )

    def run(self, message: Message) -> Settlement:
        """Runs a job and decides how it ended; raises PluginError, SecretError if it cannot."""
        job = ClaimedJob(
            message["queue"],
            message["id"],
            _read_pairs(message["fields"]),
            children=_read_pairs(message["children"]),
        )
        self._clock.offset_ms += message["now_ms"] - self._clock.now_ms()
        plan = self._find_plan(job)
        handle = self._ear.wait(self._make_handle(job, plan))
        retry, keep = find_policy(plan)
        try:
            result = plan.function(handle, *plan.arguments)
            if inspect.isawaitable(result):
                result = self._ear.wait(result)
            return decide_success(job, result, retry=retry, keep=keep)
        except BaseException as error:  # noqa: BLE001 - the edge of a processor; SystemExit too
            return judge(
                job,
                error,
                plan=plan,
                now_ms=self._clock.now_ms(),
                factories=self._plugins.backoffs,
                has_added_children=handle.has_added_children,
            )

    async def _make_handle(self, job: ClaimedJob, plan: Plan) -> RunningJob | RunningThreadJob:
        make = RunningJob if plan.is_async else RunningThreadJob
        return make(
            job,
            data=job.data,
            retry=plan.job_type.retry,
            results=read_results(job) if job.children else {},
            client=self._client if plan.is_async else self._thread_client,
            reports=self._reports,
        )

    def _find_plan(self, job: ClaimedJob) -> Plan:
        plugins, queue = self._plugins, job.queue
        if queue not in self._plans:
            self._plans[queue] = build_plans(
                self._pipeline, queue, plugins.processors, plugins.resolve_secret
            )
        plan = find_plan(self._plans[queue], job)
        if plan is None:
            # The worker has it: a file has changed since.
            use = str(self._pipeline.jobs[job.name].use)
            raise errors.PluginError(
                plugins.explain_missing("processor", use) or f"there is no processor {use!r} now"
            )
        return plan


def _read_pairs(given: list[Any]) -> dict[bytes, bytes]:
    return dict(msgspec.convert(given, list[tuple[bytes, bytes]]))


async def _finish(running: Awaitable[T]) -> tuple[BaseException | None, T | None]:
    """Gives what it raised, too: SystemExit would end the loop, and all that waits for it."""
    try:
        return None, await running
    except GeneratorExit:
        raise
    except BaseException as error:  # noqa: BLE001 - the edge of a processor
        return error, None


if __name__ == "__main__":
    main()
