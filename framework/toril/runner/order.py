"""What a supervisor tells a worker process to be, and how it travels over their channel."""

from __future__ import annotations

import base64
import copyreg
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

from toril.declarations.pipeline import Pipeline


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerOrder:
    """Everything a worker process needs to know of its supervisor.

    It carries the pipeline as the supervisor read it, so that a restarted worker never meets a
    directory that was edited, and broken, in the meantime.
    """

    pipeline: Pipeline
    #: Where Redis is, secrets resolved; never on a command line, where others could read it.
    redis_url: str
    #: Marks every job this process claims.
    token: str
    #: What people see: `HOST-PID-1`.
    name: str
    #: How far the server's clock is ahead of this host's.
    clock_offset_ms: int
    #: How long jobs may take to finish after a SIGTERM to the process itself.
    grace_s: float
    #: Runs the jobs that its token has when it starts, one at a time, and claims no others.
    runs_alone: bool = False

    def to_message(self) -> dict[str, Any]:
        """Makes the message that `read_order` reads."""
        rest = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "pipeline"}
        return {"do": "start", "pipeline": _encode(self.pipeline), **rest}


def read_order(message: Mapping[str, Any]) -> WorkerOrder:
    """Reads the order from our own supervisor's message."""
    given = {f.name: message[f.name] for f in fields(WorkerOrder)}
    return WorkerOrder(**{**given, "pipeline": _decode(message["pipeline"])})


def _encode(pipeline: Pipeline) -> str:
    return base64.b85encode(pickle.dumps(pipeline)).decode()


def _decode(text: str) -> Pipeline:
    # Only ever what the process that started us sent over our private socketpair.
    pipeline = pickle.loads(base64.b85decode(text))
    if not isinstance(pipeline, Pipeline):
        raise TypeError(f"expected a pipeline, got {type(pipeline).__name__}")
    return pipeline


def _reduce_proxy(proxy: MappingProxyType[Any, Any]) -> tuple[Any, ...]:
    return _make_proxy, (dict(proxy),)


def _make_proxy(items: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(items)


copyreg.pickle(MappingProxyType, _reduce_proxy)
