"""Tests of how job types are prepared to run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from toril.declarations.job_type import JobType
from toril.declarations.pipeline import Pipeline
from toril.declarations.queue import Queue
from toril.errors import PluginError, SecretError
from toril.plugins.descriptors import Processor
from toril.runtime.worker.plans import build_plans, explain_missing

QUEUES = {"orders": Queue(name="orders")}


class Params(msgspec.Struct):
    url: str
    pages: list[str] = []
    limits: dict[str, Any] = {}


@dataclass
class DataclassParams:
    size: int


@dataclass
class Settings:
    token: str = ""


async def fetch(job, params):
    """A coroutine."""


def compute(job):
    """A plain function."""


def resolve(reference: str) -> str:
    if "missing" in reference:
        raise SecretError(f"no secret {reference!r}")
    return reference.upper()


def make_plan(function: Any, given: Any = None, *, params: type | None = None, **declared: Any):
    job_type = JobType(name="sync", queue="orders", use="x", params=given or {}, **declared)
    pipeline = Pipeline(root=Path("/"), project="p", queues=QUEUES, jobs={"sync": job_type})
    processors = {"x": Processor(name="x", function=function, params=params)}
    return build_plans(pipeline, "orders", processors, resolve)["sync"]


def test_secrets_anywhere_in_the_parameters_are_resolved():
    key = "secret://env/key"

    plan = make_plan(
        fetch, {"url": key, "pages": ["a", key], "limits": {"k": [key]}}, params=Params
    )

    secret = "SECRET://ENV/KEY"
    assert plan.arguments == (Params(secret, ["a", secret], {"k": [secret]}),)


def test_parameters_may_be_a_dataclass():
    assert make_plan(fetch, {"size": 3}, params=DataclassParams).arguments == (DataclassParams(3),)


def test_a_processor_without_parameters_is_given_the_job_alone():
    assert make_plan(compute, {"ignored": 1}).arguments == ()


def test_parameters_that_do_not_fit_name_the_place_and_no_value():
    with pytest.raises(PluginError) as raised:
        make_plan(fetch, {"url": ["secret://env/key"]}, params=Params)

    assert str(raised.value) == (
        "jobs.sync.with does not fit processor 'x': Expected `str`, got `array` - at `$.url`"
    )


def test_a_missing_secret_is_told_at_the_start():
    with pytest.raises(SecretError):
        make_plan(fetch, {"url": "secret://env/missing"}, params=Params)


@pytest.mark.parametrize(
    ("function", "run_in", "runs_in_thread"),
    [
        (fetch, None, False),
        (fetch, "async", False),
        (compute, None, True),
        (compute, "thread", True),
        (compute, "async", False),
    ],
)
def test_plain_functions_run_in_threads_unless_told_otherwise(function, run_in, runs_in_thread):
    assert make_plan(function, run_in=run_in).runs_in_thread is runs_in_thread


def test_a_coroutine_function_cannot_run_in_a_thread():
    with pytest.raises(PluginError) as raised:
        make_plan(fetch, run_in="thread")

    assert str(raised.value) == (
        "jobs.sync: processor 'x' is a coroutine function, which runs on the loop; remove "
        "`run_in: thread`, or make it a plain function"
    )


@pytest.mark.parametrize(
    ("name", "queue", "text"),
    [
        (
            "synk",
            "orders",
            "no job type 'synk'; did you mean 'sync'? (this job was added to queue 'orders')",
        ),
        (
            "sync",
            "mails",
            "job type 'sync' is declared for queue 'orders', but this job was added to queue "
            "'mails'; add it there",
        ),
        (
            "sync",
            "orders",
            "job type 'sync' of queue 'orders' cannot run: no processor 'x'; known are 'y'",
        ),
        (
            "bare",
            "orders",
            "job type 'bare' of queue 'orders' names no processor; add `use` to it",
        ),
    ],
)
def test_a_job_that_cannot_run_is_explained(name, queue, text):
    jobs = {
        "sync": JobType(name="sync", queue="orders", use="x"),
        "bare": JobType(name="bare", queue="orders"),
    }
    pipeline = Pipeline(root=Path("/"), project="p", jobs=jobs)

    processors = {"y": Processor(name="y", function=compute)}

    assert explain_missing(pipeline, queue, name, processors) == text


def test_settings_come_after_the_parameters_with_their_secrets_resolved():
    one = Processor(
        name="x", function=fetch, params=Params, settings=Settings, config={"token": "secret://a/b"}
    )
    job_type = JobType(name="sync", queue="orders", use="x", params={"url": "u"})
    pipeline = Pipeline(root=Path("/"), project="p", queues=QUEUES, jobs={"sync": job_type})

    plan = build_plans(pipeline, "orders", {"x": one}, resolve)["sync"]

    assert plan.arguments == (Params(url="u"), Settings(token="SECRET://A/B"))
