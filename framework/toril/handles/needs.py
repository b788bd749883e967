"""What handles need of their client."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from toril.clock import Clock
from toril.declarations.pipeline import Pipeline
from toril.declarations.spans import Span
from toril.runtime.call import Call
from toril.runtime.calls.jobs import Ending
from toril.runtime.keys import QueueKeys
from toril.runtime.sender import AsyncSender
from toril.runtime.sync_sender import SyncSender

T = TypeVar("T")


class _Knows(Protocol):
    pipeline: Pipeline
    clock: Clock

    def keys(self, queue: str) -> QueueKeys: ...

    def check_data(self, job_type: str, data: Any) -> None: ...


class Sends(_Knows, Protocol):
    """The asyncio client."""

    async def send(self, call: Call[T]) -> T: ...

    async def wait(self, queue: str, id: str, timeout: Span | None = None) -> Ending: ...

    def open_sender(self) -> AsyncSender: ...


class SendsSync(_Knows, Protocol):
    """The blocking client."""

    def send(self, call: Call[T]) -> T: ...

    def wait(self, queue: str, id: str, timeout: Span | None = None) -> Ending: ...

    @property
    def sender(self) -> SyncSender: ...
