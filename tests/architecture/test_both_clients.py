from __future__ import annotations

import inspect

import pytest

from toril.client import Client
from toril.handles.dead_letters import DeadLetters, SyncDeadLetters
from toril.handles.job_handle import JobHandle
from toril.handles.queue_handle import QueueHandle
from toril.handles.run_handle import RunHandle
from toril.handles.schedules import Schedules, SyncSchedules
from toril.handles.sync_job_handle import SyncJobHandle
from toril.handles.sync_queue_handle import SyncQueueHandle
from toril.handles.sync_run_handle import SyncRunHandle
from toril.runtime.event_readers import EventReader, SyncEventReader
from toril.sync_client import SyncClient

PAIRS = [
    (Client, SyncClient),
    (JobHandle, SyncJobHandle),
    (QueueHandle, SyncQueueHandle),
    (RunHandle, SyncRunHandle),
    (Schedules, SyncSchedules),
    (DeadLetters, SyncDeadLetters),
    (EventReader, SyncEventReader),
]

#: The blocking client connects when it is made.
ONLY_ASYNC = {(Client, "open"), (Client, "open_sender")}


def public_methods(cls: type) -> dict[str, list[str]]:
    """The names of a class, with the parameters of each and their defaults."""
    return {
        name: [str(one.replace(annotation=one.empty)) for one in parameters_of(method)]
        for name, method in inspect.getmembers(cls, inspect.isroutine)
        if not name.startswith("_") and (cls, name) not in ONLY_ASYNC
    }


def parameters_of(method) -> list[inspect.Parameter]:
    return list(inspect.signature(method).parameters.values())


@pytest.mark.parametrize(("cls", "sync_cls"), PAIRS)
def test_the_blocking_client_can_do_what_the_other_can(cls, sync_cls):
    assert public_methods(cls) == public_methods(sync_cls)


@pytest.mark.parametrize("cls", [QueueHandle, SyncQueueHandle, JobHandle, SyncJobHandle])
def test_no_two_parts_of_a_handle_define_the_same(cls):
    parts = [part for part in cls.__mro__ if part is not object]
    names = [name for part in parts for name in vars(part) if not name.startswith("_")]

    assert len(names) == len(set(names)), sorted(names)
