"""Tests of runtime/keys.py."""

from __future__ import annotations

import pytest

from toril.runtime.keys import QUEUE_SUFFIXES, QueueKeys, parse_job_key

KEYS = QueueKeys("bull", "orders")


def test_keys_of_a_queue_are_bullmqs() -> None:
    named = {
        name: getattr(KEYS, name)
        for name in ("wait", "waiting_children", "stalled_check", "repeat", "id", "meta")
    }

    assert named == {
        "wait": "bull:orders:wait",
        "waiting_children": "bull:orders:waiting-children",
        "stalled_check": "bull:orders:stalled-check",
        "repeat": "bull:orders:repeat",
        "id": "bull:orders:id",
        "meta": "bull:orders:meta",
    }


def test_every_key_of_the_queue_itself_is_reserved() -> None:
    properties = [name for name, value in vars(QueueKeys).items() if isinstance(value, property)]
    suffixes = {getattr(KEYS, name).removeprefix(KEYS.base) for name in properties}

    assert suffixes - {"", "bull:orders"} <= QUEUE_SUFFIXES


def test_keys_of_a_job_are_bullmqs() -> None:
    assert KEYS.job("a") == "bull:orders:a"
    assert KEYS.lock("a") == "bull:orders:a:lock"
    assert KEYS.logs("a") == "bull:orders:a:logs"
    assert KEYS.dependencies("a") == "bull:orders:a:dependencies"
    assert KEYS.processed("a") == "bull:orders:a:processed"
    assert KEYS.ignored_failures("a") == "bull:orders:a:failed"
    assert KEYS.unsuccessful("a") == "bull:orders:a:unsuccessful"


def test_our_own_keys_stand_where_nodes_clean_up_leaves_them() -> None:
    assert KEYS.own("limits") == "bull:orders:meta:t:limits"


def test_keys_of_schedulers_and_deduplication_are_bullmqs() -> None:
    assert KEYS.scheduler("daily") == "bull:orders:repeat:daily"
    assert KEYS.deduplication("x") == "bull:orders:de:x"


def test_another_queue_has_the_same_prefix() -> None:
    assert KEYS.of("reports").wait == "bull:reports:wait"
    assert KEYS.of("reports").qualified_name == "bull:reports"


@pytest.mark.parametrize(("prefix", "queue"), [("bull", ""), ("bull", "a:b"), ("", "orders")])
def test_names_that_would_make_other_keys_are_refused(prefix: str, queue: str) -> None:
    with pytest.raises(ValueError, match="expected a"):
        QueueKeys(prefix, queue)


def test_a_job_key_is_split_from_its_end() -> None:
    assert parse_job_key("my:prefix:orders:a") == ("my:prefix", "orders", "a")


@pytest.mark.parametrize("key", ["orders", "bull:orders", "bull:orders:", ":orders:a"])
def test_what_is_no_job_key_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="expected PREFIX:QUEUE:ID"):
        parse_job_key(key)
