"""The public names, for applications and plugins; each is imported when it is first used.

Nothing inside Toril imports from here.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toril.adding import Deduplication
    from toril.client import Client
    from toril.declarations.backoff import Backoff
    from toril.declarations.units import parse_duration_ms, parse_size
    from toril.errors import (
        AddError,
        Cancelled,
        ChildFailed,
        ClientClosed,
        ConfigurationError,
        DeadlineExceeded,
        Delay,
        EmbeddedServerError,
        Expired,
        ExpressionError,
        InvalidData,
        InvalidJobId,
        JobFailed,
        JobNotFound,
        JobSignal,
        JobStalled,
        LockLost,
        PayloadTooLarge,
        PluginError,
        RateLimited,
        RedisMisconfigured,
        RedisOutOfMemory,
        RedisRefused,
        RedisUnavailable,
        SecretError,
        TemplateError,
        TorilError,
        UnknownName,
        Unrecoverable,
        WaitForChildren,
        WaitTimeout,
        WorkerCrashed,
        WrongState,
    )
    from toril.handles.dead_letters import DeadLetters, SyncDeadLetters
    from toril.handles.job_handle import JobHandle
    from toril.handles.queue_handle import QueueHandle
    from toril.handles.run_handle import RunHandle
    from toril.handles.schedules import Schedules, SyncSchedules
    from toril.handles.sync_job_handle import SyncJobHandle
    from toril.handles.sync_queue_handle import SyncQueueHandle
    from toril.handles.sync_run_handle import SyncRunHandle
    from toril.plugins.decorators import backoff, hookimpl, processor, secret_provider, source
    from toril.plugins.job import Job, ThreadJob
    from toril.runtime.calls.children import Child, ChildCounts, ChildStand
    from toril.runtime.calls.dead_letters import DeadLetter
    from toril.runtime.calls.events import Event
    from toril.runtime.calls.jobs import Ending
    from toril.runtime.calls.schedules import ScheduleRecord, ScheduleTemplate, Upserted
    from toril.runtime.cancel import Cancelling
    from toril.runtime.event_readers import EventReader, SyncEventReader
    from toril.sync_client import SyncClient
    from toril.trees import AddedTree, Tree

    __version__: str

__all__ = [
    "AddError",
    "AddedTree",
    "Backoff",
    "Cancelled",
    "Cancelling",
    "Child",
    "ChildCounts",
    "ChildFailed",
    "ChildStand",
    "Client",
    "ClientClosed",
    "ConfigurationError",
    "DeadLetter",
    "DeadLetters",
    "DeadlineExceeded",
    "Deduplication",
    "Delay",
    "EmbeddedServerError",
    "Ending",
    "Event",
    "EventReader",
    "Expired",
    "ExpressionError",
    "InvalidData",
    "InvalidJobId",
    "Job",
    "JobFailed",
    "JobHandle",
    "JobNotFound",
    "JobSignal",
    "JobStalled",
    "LockLost",
    "PayloadTooLarge",
    "PluginError",
    "QueueHandle",
    "RateLimited",
    "RedisMisconfigured",
    "RedisOutOfMemory",
    "RedisRefused",
    "RedisUnavailable",
    "RunHandle",
    "ScheduleRecord",
    "ScheduleTemplate",
    "Schedules",
    "SecretError",
    "SyncClient",
    "SyncDeadLetters",
    "SyncEventReader",
    "SyncJobHandle",
    "SyncQueueHandle",
    "SyncRunHandle",
    "SyncSchedules",
    "TemplateError",
    "ThreadJob",
    "TorilError",
    "Tree",
    "UnknownName",
    "Unrecoverable",
    "Upserted",
    "WaitForChildren",
    "WaitTimeout",
    "WorkerCrashed",
    "WrongState",
    "__version__",
    "backoff",
    "hookimpl",
    "parse_duration_ms",
    "parse_size",
    "processor",
    "secret_provider",
    "source",
]

#: Where a name lives, unless it is an error.
_HOMES = {
    "AddedTree": "toril.trees",
    "Backoff": "toril.declarations.backoff",
    "Cancelling": "toril.runtime.cancel",
    "Child": "toril.runtime.calls.children",
    "ChildCounts": "toril.runtime.calls.children",
    "ChildStand": "toril.runtime.calls.children",
    "Client": "toril.client",
    "DeadLetter": "toril.runtime.calls.dead_letters",
    "DeadLetters": "toril.handles.dead_letters",
    "Deduplication": "toril.adding",
    "Ending": "toril.runtime.calls.jobs",
    "Event": "toril.runtime.calls.events",
    "EventReader": "toril.runtime.event_readers",
    "Job": "toril.plugins.job",
    "JobHandle": "toril.handles.job_handle",
    "QueueHandle": "toril.handles.queue_handle",
    "RunHandle": "toril.handles.run_handle",
    "ScheduleRecord": "toril.runtime.calls.schedules",
    "ScheduleTemplate": "toril.runtime.calls.schedules",
    "Schedules": "toril.handles.schedules",
    "SyncClient": "toril.sync_client",
    "SyncDeadLetters": "toril.handles.dead_letters",
    "SyncEventReader": "toril.runtime.event_readers",
    "SyncJobHandle": "toril.handles.sync_job_handle",
    "SyncQueueHandle": "toril.handles.sync_queue_handle",
    "SyncRunHandle": "toril.handles.sync_run_handle",
    "SyncSchedules": "toril.handles.schedules",
    "ThreadJob": "toril.plugins.job",
    "Tree": "toril.trees",
    "Upserted": "toril.runtime.calls.schedules",
    "backoff": "toril.plugins.decorators",
    "hookimpl": "toril.plugins.decorators",
    "parse_duration_ms": "toril.declarations.units",
    "parse_size": "toril.declarations.units",
    "processor": "toril.plugins.decorators",
    "secret_provider": "toril.plugins.decorators",
    "source": "toril.plugins.decorators",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'toril' has no attribute {name!r}")
    if name == "__version__":
        value: Any = import_module("importlib.metadata").version("toril")
    else:
        value = getattr(import_module(_HOMES.get(name, "toril.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
