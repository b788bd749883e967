from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec
import pytest

from toril.declarations.backoff import wait_constant
from toril.plugins.decorators import backoff, hookimpl, processor, secret_provider


class Page(msgspec.Struct):
    size: Annotated[int, msgspec.Meta(ge=1)] = 100


@dataclass
class SyncParams:
    exchange: str
    page: Page = field(default_factory=Page)


def test_a_processor_can_be_called_as_the_function_it_is():
    @processor("shop.double")
    def double(job: Any) -> int:
        return 2 * job

    assert double(4) == 8
    assert not double.is_async


def test_a_coroutine_function_is_told_from_a_plain_one():
    @processor("shop.double")
    async def double(job: Any) -> int:
        return 2 * job

    assert double.is_async


def test_the_schema_of_params_refuses_unknown_keys_at_every_depth():
    mark = processor("exchange.sync", params=SyncParams)

    schema = mark(lambda job, params: None).params_schema

    assert schema["$ref"] == "#/$defs/SyncParams"
    assert schema["$defs"]["SyncParams"]["required"] == ["exchange"]
    assert schema["$defs"]["SyncParams"]["additionalProperties"] is False
    assert schema["$defs"]["Page"] == {
        "title": "Page",
        "type": "object",
        "properties": {"size": {"type": "integer", "minimum": 1, "default": 100}},
        "required": [],
        "additionalProperties": False,
    }


def test_a_processor_without_params_takes_none():
    mark = processor("shop.greet")

    assert mark(lambda job: None).params_schema == {
        "type": "object",
        "additionalProperties": False,
    }


def test_params_that_have_no_schema_are_refused():
    with pytest.raises(TypeError):
        processor("shop.greet", params=object)


@pytest.mark.parametrize("decorator", [processor, backoff, secret_provider])
def test_a_decorator_without_a_name_says_how_it_is_used(decorator: Any):
    with pytest.raises(TypeError) as refused:

        @decorator
        def function() -> None: ...

    name = decorator.__name__
    assert str(refused.value) == f"@{name} takes a name, as in @{name}('shop.greet')"


def test_a_backoff_and_a_secret_provider_keep_their_functions():
    steady = backoff("shop.steady")(lambda declaration: wait_constant(3))
    vault = secret_provider("vault")(lambda path: path.upper())

    assert (steady.name, vault.name) == ("shop.steady", "vault")
    assert vault.resolve("x") == "X"


def test_hookimpl_gives_the_function_back():
    def toril_processors() -> list[Any]:
        return []

    assert hookimpl(toril_processors) is toril_processors
