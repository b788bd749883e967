"""Fixtures of runtime tests: a rig that runs workers on plain functions, both clients as one."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis
from tests.housed import Housed

from toril.adding import make_job_factory
from toril.client import Client
from toril.clock import Clock, SystemClock
from toril.declarations.backoff import BUILTIN_BACKOFFS
from toril.declarations.job_type import JobType
from toril.declarations.pipeline import Pipeline, RedisSettings
from toril.declarations.queue import Queue
from toril.plugins.descriptors import Processor, Source
from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.jobs import Ending, read_job, read_state
from toril.runtime.connection import connect, connect_sync
from toril.runtime.job import NewJob, StoredJob
from toril.runtime.keys import QueueKeys
from toril.runtime.sender import AsyncSender
from toril.runtime.sync_sender import SyncSender
from toril.runtime.worker.alarms import Alarms
from toril.runtime.worker.worker import Worker
from toril.sync_client import SyncClient
from toril.testing.virtual_clock import VirtualClock


class Hooks:
    """Stands where the lifecycle hooks are, and keeps what they are told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []

    def is_watched(self, hook: str) -> bool:
        return True

    def notify(self, hook: str, **fields: Any) -> None:
        self.told.append((hook, fields))

    def of(self, hook: str) -> list[dict[str, Any]]:
        return [fields for name, fields in self.told if name == hook]


class Rig:
    """A pipeline made in a test, its queues `orders` and `mails`, and workers on it."""

    def __init__(self, url: str, prefix: str, redis: Redis) -> None:
        self.url = url
        self.redis = redis
        self.sender = AsyncSender(redis)
        self.clock: Clock = SystemClock()
        self.pipeline = Pipeline(root=Path("/"), project="test", redis=RedisSettings(prefix=prefix))
        self.processors: dict[str, Processor] = {}
        self.sources: dict[str, Source] = {}
        self.hooks = Hooks()
        self.events: list[tuple[str, Mapping[str, Any]]] = []
        self._ids = itertools.count(1)
        self._running: list[tuple[Worker, asyncio.Task[None]]] = []
        self._clients: list[Redis] = []
        for name in ("orders", "mails"):
            self.queue(name)

    def use_virtual_clock(self) -> VirtualClock:
        """Has time stand still until the test moves it."""
        self.clock = clock = VirtualClock()
        return clock

    def keys(self, queue: str = "orders") -> QueueKeys:
        return QueueKeys(self.pipeline.redis.prefix, queue)

    def queue(self, name: str, **fields: Any) -> None:
        """Declares a queue, or changes it."""
        queue = replace(self.pipeline.queues.get(name) or Queue(name=name), **fields)
        queues = {**self.pipeline.queues, name: queue}
        self.pipeline = replace(self.pipeline, queues=queues)

    def job(
        self,
        function: Callable[..., Any],
        name: str = "sync",
        *,
        params: type | None = None,
        given: Mapping[str, Any] | None = None,
        queue: str = "orders",
        **fields: Any,
    ) -> None:
        """Declares a job type that runs the function; `given` is what its `with:` says."""
        self.processors[name] = Processor(name=name, function=function, params=params)
        declared = JobType(name=name, queue=queue, use=name, params=given or {}, **fields)
        self.pipeline = replace(self.pipeline, jobs={**self.pipeline.jobs, name: declared})

    async def add(
        self, data: Any = None, name: str = "sync", *, queue: str = "orders", **fields: Any
    ) -> str:
        """Adds one job and gives its id."""
        [job_id] = await self.add_many([data], name, queue=queue, **fields)
        return job_id

    async def add_many(
        self, rows: list[Any], name: str = "sync", *, queue: str = "orders", **fields: Any
    ) -> list[str]:
        """Adds a job for each row."""
        now_ms = self.clock.now_ms()
        jobs = [
            NewJob(
                queue=queue,
                id=f"job-{next(self._ids)}",
                name=name,
                data=msgspec.json.encode({} if row is None else row),
                timestamp_ms=now_ms,
                **fields,
            )
            for row in rows
        ]
        await self.sender.send(add_jobs(self.pipeline.redis.prefix, jobs, now_ms=now_ms))
        return [job.id for job in jobs]

    def start(self, *queues: str, **given: Any) -> Worker:
        """Starts a worker on these queues, or on all; `given` are the Worker's own arguments."""
        worker = self.make(*queues, **given)
        self._running.append((worker, asyncio.create_task(worker.run())))
        return worker

    def make(self, *queues: str, **given: Any) -> Worker:
        """Makes a worker without starting it."""
        names = queues or tuple(self.pipeline.queues)
        settings: dict[str, Any] = {
            "pipeline": self.pipeline,
            "queues": [self.pipeline.queues[name] for name in names],
            "processors": self.processors,
            "sources": self.sources,
            "build_job": make_job_factory(self.pipeline, self.clock),
            "backoffs": BUILTIN_BACKOFFS,
            "sender": self.sender,
            "connect_blocking": lambda: connect(self.url, blocking=True),
            "clock": self.clock,
            "token": uuid.uuid4().hex,
            "name": f"w{len(self._running) + 1}",
            "observers": self.hooks,
            "resolve_secret": lambda reference: f"resolved {reference}",
            "announce": False,
            "on_event": lambda event, fields: self.events.append((event, fields)),
        }
        return Worker(**(settings | given))

    def task_of(self, worker: Worker) -> asyncio.Task[None]:
        """The task that runs the worker."""
        return next(task for other, task in self._running if other is worker)

    def own_sender(self, url: str | None = None) -> AsyncSender:
        """A sender with connections of its own."""
        client = connect(url or self.url)
        self._clients.append(client)
        return AsyncSender(client)

    def said(self, event: str) -> list[Mapping[str, Any]]:
        """The fields of each time the event was announced."""
        return [fields for name, fields in self.events if name == event]

    async def ending(self, job_id: str, queue: str = "orders") -> Ending:
        """Where a job is and how it ended."""
        return await self.sender.send(read_state(self.keys(queue), job_id))

    async def state(self, job_id: str, queue: str = "orders") -> str:
        """Where a job is."""
        return str((await self.ending(job_id, queue)).state)

    async def stored(self, job_id: str, queue: str = "orders") -> StoredJob:
        """A job as it is stored."""
        job = await self.sender.send(read_job(self.keys(queue), job_id))
        assert job is not None, f"no job {job_id}"
        return job

    async def reaches(
        self, job_id: str, state: str, queue: str = "orders", within_s: float = 4.0
    ) -> StoredJob:
        """Waits until a job is in the state, and gives it."""
        deadline = asyncio.get_running_loop().time() + within_s
        while (now := await self.state(job_id, queue)) != state:
            late = asyncio.get_running_loop().time() > deadline
            assert not late, f"{job_id} is {now}, not {state}; {self.events}"
            await asyncio.sleep(0.005)
        return await self.stored(job_id, queue)

    async def reaches_attempt(self, job_id: str, attempt: int, queue: str = "orders") -> None:
        """Waits until so many attempts of a delayed job have failed."""
        deadline = asyncio.get_running_loop().time() + 4
        while (await self.stored(job_id, queue)).attempts_made < attempt:
            assert asyncio.get_running_loop().time() < deadline, self.events
            await asyncio.sleep(0.005)

    async def close(self) -> None:
        """Stops the workers; raises what any of them could not go on from."""
        running, self._running = self._running, []
        for worker, task in running:
            await worker.stop(0)
            await task
        for client in self._clients:
            await client.aclose()


@pytest.fixture
async def rig(server: Any, prefix: str, redis: Redis) -> AsyncIterator[Rig]:
    """A rig whose workers are stopped in the end."""
    made = Rig(server.url, prefix, redis)
    yield made
    await made.close()


class Awaited:
    """A blocking object behind an async face: calls run in a thread, what they give is wrapped."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if not inspect.ismethod(value):
            return value
        if name in ("job", "queue", "dead_letters"):
            return lambda *args, **kwargs: _wrap(value(*args, **kwargs))
        return partial(self._call, value)

    async def _call(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        value = await asyncio.to_thread(method, *args, **kwargs)
        if isinstance(value, list):
            return [_wrap(one) for one in value]
        return _wrap(value)


def _wrap(value: Any) -> Any:
    return Awaited(value) if type(value).__name__.startswith("Sync") else value


@pytest.fixture(params=["async", "sync"])
async def make_client(request: pytest.FixtureRequest, rig: Any) -> AsyncIterator[Any]:
    """`make_client()`: a client of the rig's pipeline, async or sync, called alike."""
    made: list[Any] = []

    def make() -> Any:
        given = {"clock": rig.clock, "observers": rig.hooks}
        if request.param == "async":
            client: Any = Client(rig.pipeline, sender=rig.sender, **given)
            made.append(client.close)
            return client
        redis = connect_sync(rig.url)
        made.append(partial(asyncio.to_thread, redis.close))
        return Awaited(SyncClient(rig.pipeline, sender=SyncSender(redis), **given))

    rig.hooks.drain = _nothing
    yield make
    for close in made:
        await close()


async def _nothing() -> None:
    pass


@pytest.fixture
async def alarms(rig: Rig) -> AsyncIterator[Alarms]:
    """Alarms on the rig's clock."""
    made = Alarms(rig.clock)
    yield made
    await made.close()


@pytest.fixture
async def housed(rig: Rig, tmp_path: Path) -> AsyncIterator[Housed]:
    """A rig whose jobs run in processes of their own."""
    made = Housed(rig, tmp_path)
    yield made
    await rig.close()
    await made.processes.close()
