"""Checking secret references; the wordings are in tests/acceptance/wrong_yaml."""

from __future__ import annotations

from toril.config.loader import load_pipeline


def test_a_secret_below_a_key_that_cannot_be_there_is_not_told_of_again(load) -> None:
    text = "sinks: {ops: {with: {url: secret://env/URL}}}\njobs: {j: {tokn: secret://x}}\n"

    assert [code for _, _, code, _ in load.told(text)] == ["T111", "T105", "T104"]


def test_a_secret_whose_name_comes_from_a_variable_is_left_to_the_run(load) -> None:
    text = "jobs: {j: {queue: orders, use: shop.sync, with: {key: 'secret://env/${KEY}'}}}"

    assert load(text, environ={"KEY": "A"}).problems == ()


def test_providers_are_not_checked_without_knowing_the_plugins(load) -> None:
    load(top="version: 1\nplugins: 5\nredis: {url: secret://vault/x}\n", queues="")

    assert [p.code for p in load_pipeline(load.root).problems] == ["T103"]
