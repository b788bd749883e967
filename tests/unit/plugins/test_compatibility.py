from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from toril.plugins.compatibility import Incompatible, check_descriptors, check_hooks
from toril.plugins.decorators import hookimpl, processor


@processor("shop.greet")
def greet(job: Any) -> None: ...


def test_the_hooks_of_a_plugin_are_listed(make_plugin: Callable[..., SimpleNamespace]):
    plugin = make_plugin(toril_processors=lambda: [], toril_job_failed=lambda job_id, error: None)

    assert check_hooks(plugin) == ("toril_job_failed", "toril_processors")


def test_a_hook_may_be_implemented_under_another_name():
    @hookimpl(specname="toril_processors")
    def bring():
        return []

    assert check_hooks(SimpleNamespace(bring=bring)) == ("toril_processors",)


def wrapper():
    yield


@pytest.mark.parametrize(
    ("name", "function", "sentence"),
    [
        (
            "toril_procesors",
            lambda: [],
            "unknown hook 'toril_procesors'; did you mean 'toril_processors'?",
        ),
        ("whatever", lambda: [], "unknown hook 'whatever'"),
        (
            "toril_processors",
            lambda config: [],
            "hook 'toril_processors' takes 'config'; expected no arguments",
        ),
        (
            "toril_job_stalled",
            lambda queue, jobid: None,
            "hook 'toril_job_stalled' takes 'jobid'; expected some of (queue, job_id)",
        ),
        (
            "toril_job_stalled",
            lambda queue="orders": None,
            "hook 'toril_job_stalled' gives 'queue' a default; arguments of hooks have none",
        ),
        (
            "toril_job_stalled",
            lambda **fields: None,
            "hook 'toril_job_stalled' takes '**fields'; "
            "expected some of (queue, job_id) as plain arguments",
        ),
    ],
)
def test_a_hook_that_cannot_be_called_is_refused(name: str, function: Any, sentence: str):
    with pytest.raises(Incompatible) as refused:
        check_hooks(SimpleNamespace(**{name: hookimpl(function)}))

    assert str(refused.value) == sentence


def test_a_wrapper_is_refused():
    plugin = SimpleNamespace(toril_processors=hookimpl(wrapper=True)(wrapper))

    with pytest.raises(Incompatible) as refused:
        check_hooks(plugin)

    assert str(refused.value) == (
        "hook 'toril_processors' is a wrapper; Toril's hooks cannot be wrapped"
    )


def test_a_hook_without_its_mark_is_refused():
    with pytest.raises(Incompatible) as refused:
        check_hooks(SimpleNamespace(toril_processors=lambda: []))

    assert (
        str(refused.value) == "'toril_processors' is not marked as a hook; put @hookimpl above it"
    )


def test_descriptors_of_any_iterable_are_taken():
    assert check_descriptors("toril_processors", iter([greet])) == [greet]


@pytest.mark.parametrize(
    ("brought", "sentence"),
    [
        (None, "toril_processors: expected a list of Processor, got None"),
        ("greet", "toril_processors: expected a list of Processor, got str 'greet'"),
        (
            [test_the_hooks_of_a_plugin_are_listed],
            "toril_processors: expected Processor, got the function "
            "'test_the_hooks_of_a_plugin_are_listed'; mark it with @processor",
        ),
        ([greet, greet], "toril_processors brings processor 'shop.greet' twice"),
        ([3], "toril_processors: expected Processor, got int 3; mark it with @processor"),
    ],
)
def test_what_is_no_descriptor_is_refused(brought: Any, sentence: str):
    with pytest.raises(Incompatible) as refused:
        check_descriptors("toril_processors", brought)

    assert str(refused.value) == sentence


def test_a_registration_hook_must_be_plain():
    async def toril_processors():
        return []

    with pytest.raises(Incompatible) as refused:
        check_descriptors("toril_processors", toril_processors())

    assert str(refused.value) == (
        "toril_processors is a coroutine function; expected a plain `def`"
    )


def test_a_module_that_only_imports_other_things_implements_no_hook():
    assert check_hooks(sys.modules["json"]) == ()
