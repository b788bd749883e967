"""The order that starts a worker process."""

from __future__ import annotations

import base64
import json
import pickle
from pathlib import Path
from types import MappingProxyType

import pytest

from toril.declarations.pipeline import Pipeline
from toril.declarations.queue import Queue
from toril.runner.order import WorkerOrder, read_order


def make_order() -> WorkerOrder:
    return WorkerOrder(
        pipeline=Pipeline(
            root=Path("/pipelines"),
            project="trading",
            queues=MappingProxyType({"orders": Queue(name="orders")}),
        ),
        redis_url="redis://:secret@localhost",
        token="t1",
        name="host-1-1",
        clock_offset_ms=5,
        grace_s=30.0,
        runs_alone=True,
    )


def test_an_order_arrives_as_it_was_sent() -> None:
    message = json.loads(json.dumps(make_order().to_message()))

    assert message["do"] == "start"
    assert read_order(message) == make_order()


def test_anything_but_a_pipeline_is_refused() -> None:
    message = make_order().to_message()
    message["pipeline"] = base64.b85encode(pickle.dumps({})).decode()

    with pytest.raises(TypeError, match="expected a pipeline, got dict"):
        read_order(message)
