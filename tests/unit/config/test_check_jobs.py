"""Checking jobs; the wordings are in tests/acceptance/wrong_yaml."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace

import msgspec
import pytest

from toril import hookimpl, processor
from toril.config.loader import load_pipeline
from toril.plugins.manager import PluginManager


@pytest.mark.parametrize(
    "job",
    [
        "{queue: orders, use: shop.greet, run_in: thread}",
        "{queue: orders, use: shop.sync, run_in: async, with: {}}",
        "{queue: orders, use: shop.greet, with: {}}",
        "{queue: orders, use: shop.greet, with: {x-note: 1}}",
        "{queue: partner}",
        "{queue: partner, "
        "retry: {attempts: 2, backoff: {type: exponential, delay: 1s, jitter: 0.5}}}",
        "{queue: orders, use: shop.greet, "
        "retry: {attempts: 2, backoff: {type: shop.patient, base: 3}}}",
        "{queue: orders, use: shop.greet, "
        "retry: {attempts: 2, backoff: {type: random, delay: 0s}}}",
        "{queue: orders, use: shop.greet, x-anything: [1]}",
    ],
)
def test_jobs_that_are_right(load, job: str) -> None:
    assert load(f"jobs: {{j: {job}}}").problems == ()


def test_a_processor_is_looked_at_even_if_its_queue_is_unknown(load) -> None:
    assert [t[2] for t in load.told("jobs: {j: {queue: gone, use: gone}}")] == ["T201", "T205"]


def test_where_a_processor_runs_may_be_said_in_the_defaults(load) -> None:
    top = "version: 1\ndefaults: {job: {run_in: thread}}\n"
    text = "jobs: {a: {queue: orders, use: shop.sync}, b: {queue: orders, use: shop.sync}}"

    assert load.told(text, top=top) == [
        (2, 26, "T210", "processor 'shop.sync' is a coroutine and cannot run in 'thread'")
    ]


def test_a_default_backoff_is_told_of_once_and_where_it_is_said(load) -> None:
    top = "version: 1\ndefaults: {job: {retry: {backoff: {type: linear}}}}\n"
    text = "jobs: {a: {queue: orders, use: shop.greet}, b: {queue: orders, use: shop.greet}}"

    assert load.told(text, top=top) == [(2, 26, "T216", "backoff type 'linear' needs 'delay'")]


def test_defaults_that_only_workers_heed_do_not_matter_to_external_queues(load) -> None:
    top = "version: 1\ndefaults: {job: {timeout: 5s, run_in: thread}, queue: {lock: 1m}}\n"

    assert load("jobs: {j: {queue: partner}}", top=top).problems == ()


def test_without_knowing_the_plugins_nothing_is_said_of_processors(load) -> None:
    load("jobs: {j: {queue: orders, use: gone, with: {a: 1}}}", top="version: 1\nplugins: 5\n")

    assert [p.code for p in load_pipeline(load.root).problems] == ["T103"]


def test_a_name_that_two_plugins_bring_names_both(load) -> None:
    def make_plugin() -> SimpleNamespace:
        @processor("both.greet")
        def greet(job):
            return None

        return SimpleNamespace(
            toril_processors=hookimpl(lambda: [greet], specname="toril_processors")
        )

    manager = PluginManager.load(extra={"one": make_plugin(), "two": make_plugin()})
    load("jobs: {j: {queue: orders, use: both.greet}}")

    (problem,) = load_pipeline(load.root, plugins=manager).problems

    assert problem.message == (
        "no plugin supplies a processor 'both.greet'; processor 'both.greet' is brought by plugins "
        "'one' (this application) and 'two' (this application); name one of them under "
        "plugins.disable"
    )


@pytest.mark.parametrize(
    ("params", "told"),
    [
        (
            "{limits: [{fee: '1'}, {fee: free}]}",
            (1, 76, "processor 'fee.take' cannot take the parameters: Invalid decimal string"),
        ),
        ("{low: 2}", (1, 48, "processor 'fee.take' cannot take the parameters: KeyError: 'high'")),
        ("{limits: [{fee: secret://env/FEE}]}", None),
    ],
)
def test_parameters_are_made_as_the_worker_will(load, params: str, told: object) -> None:
    manager = PluginManager.load(extra={"fee": make_fee_plugin()})
    load(f"jobs: {{j: {{queue: orders, use: fee.take, with: {params}}}}}")

    problems = load_pipeline(load.root, plugins=manager).problems

    assert [(p.line, p.column, p.message) for p in problems] == ([told] if told else [])


class Limit(msgspec.Struct):
    fee: Decimal


class FeeParams(msgspec.Struct):
    limits: list[Limit] = []
    low: int = 1

    def __post_init__(self) -> None:
        if self.low > 1:
            raise KeyError("high")


def make_fee_plugin() -> SimpleNamespace:
    @processor("fee.take", params=FeeParams)
    def take(job, params):
        return None

    return SimpleNamespace(toril_processors=hookimpl(lambda: [take], specname="toril_processors"))
