"""Checks data against the JSON Schema that a job or flow declares for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator
from referencing import Registry

from toril.config.misfit import Misfit, show_value
from toril.config.schema_words import describe_errors
from toril.errors import InvalidData

#: References inside one schema are known; nothing is ever fetched.
_NOTHING_ELSE: Registry[Any] = Registry()
#: Misfits in one message.
_TOLD = 5


def make_data_validator(schema: Mapping[str, Any] | bool) -> Validator:
    """Makes the validator of a declared schema."""
    return Draft202012Validator(schema, registry=_NOTHING_ELSE)


def find_misfits(validator: Validator, data: Any) -> Iterator[Misfit]:
    """Gives everything in which data does not fit."""
    try:
        yield from describe_errors(validator.iter_errors(data))
    except RecursionError:
        template = "expected data that nests less deep, got {got}{for}"
        yield Misfit(path=(), template=template, got=show_value(data))


def check_data(schema: Mapping[str, Any] | bool | None, data: Any, what: str) -> None:
    """Raises InvalidData if the data does not fit; for much data of one kind keep a DataSchema."""
    DataSchema(schema, what=what).check(data)


class DataSchema:
    """A declared schema, compiled when it is first used.

    `what` is the word for the data in messages, its noun first: `data of job 'sync-orders'`.
    """

    def __init__(self, schema: Mapping[str, Any] | bool | None, *, what: str) -> None:
        self._schema = schema
        self._what = what

    def check(self, data: Any) -> None:
        """Raises InvalidData, with place and reason, if the data does not fit."""
        if self._schema is None or self._schema is True:
            return
        misfits = [*find_misfits(self._validator, data)]
        if misfits:
            noun = self._what.split()[0]
            sentences = [misfit.sentence((noun,)) for misfit in misfits[:_TOLD]]
            rest = [f"and {len(misfits) - _TOLD} more"] if len(misfits) > _TOLD else []
            raise InvalidData(f"{self._what}: {'; '.join([*sentences, *rest])}")

    @cached_property
    def _validator(self) -> Validator:
        assert self._schema is not None
        return make_data_validator(self._schema)
