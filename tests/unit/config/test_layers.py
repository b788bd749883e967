"""Defaults below declarations."""

from __future__ import annotations

from typing import Any

import pytest

from toril.config.layers import backoff_options, merge_job_layers, merge_layers

EXPONENTIAL = {"type": "exponential", "delay": "1s", "max": "5m", "jitter": 0.2}


def test_maps_merge_key_by_key_and_the_rest_replaces() -> None:
    merged = merge_layers(
        {"a": {"b": 1, "c": [1, 2]}, "d": 1}, None, {"a": {"c": [3]}, "d": {"e": 2}}
    )

    assert merged == {"a": {"b": 1, "c": [3]}, "d": {"e": 2}}


@pytest.mark.parametrize(
    ("over", "retry"),
    [
        ({}, {"attempts": 3, "backoff": EXPONENTIAL}),
        ({"retry": 5}, {"attempts": 5, "backoff": EXPONENTIAL}),
        (
            {"retry": {"backoff": {"delay": "2s"}}},
            {"attempts": 3, "backoff": {**EXPONENTIAL, "delay": "2s"}},
        ),
        (
            {"retry": {"backoff": "2s"}},
            {"attempts": 3, "backoff": {**EXPONENTIAL, "type": "fixed", "delay": "2s"}},
        ),
        (
            {"retry": {"on": ["A"]}},
            {"attempts": 3, "backoff": EXPONENTIAL, "on": ["A"]},
        ),
    ],
)
def test_shorthands_merge_as_what_they_stand_for(
    over: dict[str, Any], retry: dict[str, Any]
) -> None:
    defaults = {"retry": {"attempts": 3, "backoff": EXPONENTIAL}}

    assert merge_job_layers(defaults, over)["retry"] == retry


def test_a_backoff_of_another_type_forgets_the_options_of_the_one_below() -> None:
    patient = {"type": "shop.patient", "delay": "1s", "base": 3}
    layers = ({"retry": {"backoff": patient}}, {"retry": {"backoff": {"type": "linear"}}})

    assert merge_job_layers(*layers)["retry"]["backoff"] == {"type": "linear", "delay": "1s"}


def test_a_backoff_of_the_same_type_keeps_the_options_of_the_one_below() -> None:
    patient = {"type": "shop.patient", "base": 3, "x-note": "n"}
    merged = merge_job_layers({"retry": {"backoff": patient}}, {"retry": {"backoff": {"cap": 4}}})

    assert backoff_options(merged["retry"]["backoff"]) == {"base": 3, "cap": 4}


def test_layers_are_not_changed() -> None:
    defaults = {"retry": {"backoff": {"type": "shop.patient", "base": 3}}}

    merge_job_layers(defaults, {"retry": {"backoff": {"type": "fixed"}}})

    assert defaults == {"retry": {"backoff": {"type": "shop.patient", "base": 3}}}
