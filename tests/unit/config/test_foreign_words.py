"""What is proposed instead of a key that another system knows."""

from __future__ import annotations

import pytest

from toril.config.foreign_words import explain_key

JOB = ("queue", "use", "with", "retry", "timeout", "priority", "keep")


@pytest.mark.parametrize(
    ("key", "known", "hint"),
    [
        ("attempts", JOB, "it belongs under 'retry'"),
        ("handler", JOB, "write 'use'"),
        ("removeOnComplete", JOB, "write keep: {completed: ...}"),
        ("task", ("cron", "job", "flow"), "write 'job'"),
        ("task", JOB, "write 'use'"),
        ("depends_on", ("job", "needs", "data"), "write 'needs'"),
        (
            "depends-on",
            JOB,
            "jobs need each other as the steps of a flow, under 'flows'",
        ),
        ("redis", JOB, "it belongs in toril.yaml"),
        ("attempts", ("queues", "jobs"), None),
        ("something", JOB, None),
    ],
)
def test_a_foreign_key_is_said_in_torils_words(
    key: str, known: tuple[str, ...], hint: str | None
) -> None:
    assert explain_key(key, known, ()) == hint


def test_a_word_of_a_later_version_is_named_as_such() -> None:
    hint = explain_key("limiter", ("concurrency",), ("rate_limit",))

    assert hint == "Toril calls it 'rate_limit', which this version does not have"
