"""Tests of runtime/own_fields.py."""

from __future__ import annotations

from toril.runtime import own_fields


def test_our_fields_are_told_from_bullmqs_by_their_beginning() -> None:
    names = [value for name, value in vars(own_fields).items() if name.isupper()]
    fields = [value for value in names if isinstance(value, str)]

    assert len(fields) == len(set(fields))
    assert all(value.startswith("t:") for value in fields)


def test_a_new_job_cannot_bring_an_owner() -> None:
    assert own_fields.OWNER not in own_fields.JOB_FIELDS


def test_the_owner_mark_names_the_token_and_the_start() -> None:
    assert own_fields.format_owner("tok", 3) == "tok#3"
