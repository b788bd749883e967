"""`toril dead list`, `show`, `replay`, `purge`."""

from __future__ import annotations

from typing import Any

import pytest

DEAD = """
queues:
  exports: {dead_letter: dead-letters}
  dead-letters: {}
jobs:
  sell: {queue: exports, use: shop.sync, with: {page_size: 5}}
"""


@pytest.fixture
def dead(shop: Any) -> Any:
    """The shop with two dead letters, of the jobs a and b."""
    (shop.root / "dead.yaml").write_text(DEAD)
    for job_id in ("a", "b"):
        shop.toril("add", "sell", "user=nobody", "--id", job_id)
    shop.run_all()
    return shop


def test_letters_are_listed_and_shown(dead: Any) -> None:
    listed = dead.json("dead", "list")["dead_letters"]
    shown = dead.json("dead", "show", "exports.a.1")
    table = dead.toril("dead", "list", "dead-letters").stdout.splitlines()
    lines = dead.toril("dead", "show", "dead-letters", "exports.a.1").stdout.splitlines()

    assert shown in listed
    assert len(listed) == 2
    assert shown == {
        "id": "exports.a.1",
        "queue": "dead-letters",
        "state": "waiting",
        "name": "sell",
        "from_queue": "exports",
        "from_id": "a",
        "error": "no such user",
        "error_type": "Unrecoverable",
        "attempts": 1,
        "failed_at": shown["failed_at"],
        "data": {"user": "nobody"},
    }
    assert table[0].split() == ["id", "state", "job", "error", "attempts", "failed"]
    assert sorted(line.split()[:3] for line in table[1:]) == [
        ["exports.a.1", "waiting", "sell"],
        ["exports.b.1", "waiting", "sell"],
    ]
    assert "Unrecoverable: no such user" in table[1]
    assert lines[0] == "id            exports.a.1"
    assert lines[-1] == 'data          {"user": "nobody"}'


def test_letters_are_chosen_by_options(dead: Any) -> None:
    def count(*options: str) -> int:
        return len(dead.json("dead", "list", *options)["dead_letters"])

    assert count("--error", "Unrecoverable", "--job", "se*", "--from", "exports") == 2
    assert count("--newer-than", "1h", "--limit", "1") == 1
    assert count("--older-than", "1h") == count("--error", "away") == count("orders") == 0
    assert dead.toril("dead", "list", "orders").stdout == "there is no dead letter\n"


def test_letters_are_sent_back_by_id_or_all(dead: Any) -> None:
    one = dead.toril("dead", "replay", "exports.a.1")
    again = dead.toril("dead", "replay", "exports.a.1")
    rest = dead.json("dead", "replay", "--all")

    assert one.stdout == "replayed 1 dead letter\n"
    assert (again.exit_code, again.stderr) == (
        1,
        "error: no dead letter 'exports.a.1' in queue 'dead-letters'\n",
    )
    assert rest == {"replayed": 1, "refused": 0}
    counts = dead.json("status")["queues"]
    assert (counts["exports"]["waiting"], counts["dead-letters"]["waiting"]) == (2, 0)


def test_a_letter_whose_job_runs_again_stays(dead: Any) -> None:
    dead.toril("job", "retry", "exports", "a")

    told = dead.toril("dead", "replay", "--all")

    assert told.stdout.splitlines() == [
        "replayed 1 dead letter",
        "1 dead letter not replayed: its job is there again, and has not failed",
    ]


def test_letters_are_purged_after_asking(dead: Any) -> None:
    unasked = dead.toril("dead", "purge")
    one = dead.toril("dead", "purge", "exports.a.1", "--yes")
    none = dead.json("dead", "purge", "dead-letters", "--older-than", "1d", "--yes")
    rest = dead.json("dead", "purge", "--yes")

    assert unasked.exit_code == 2
    assert "remove up to 2 dead letters? Nobody is there to answer" in unasked.stderr
    assert one.stdout == "removed 1 dead letter\n"
    assert (none, rest) == ({"removed": 0, "refused": 0}, {"removed": 1, "refused": 0})
    assert dead.json("job", "show", "exports", "a")["state"] == "failed"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["replay"], "Error: expected the ID of a letter, or --all"),
        (["replay", "x", "--all"], "Error: expected the ID of a letter, or --all"),
        (["replay", "x", "--from", "exports"], "Error: expected IDs or --from, got both"),
        (["show", "dead-letters"], "Error: expected [QUEUE] ID, got dead-letters"),
        (["list", "dead-leters"], "error: no queue 'dead-leters'; did you mean 'dead-letters'?"),
        (["list", "--from", "export"], "error: no queue 'export'; did you mean 'exports'?"),
        (
            ["list", "--older-than", "soon"],
            "Error: Invalid value for '--older-than': expected a duration such as 30s, 5m or "
            "1h30m, got 'soon'",
        ),
    ],
)
def test_wrong_words_are_told(dead: Any, words: list[str], sentence: str) -> None:
    refused = dead.toril("dead", *words)

    assert (refused.exit_code, refused.stderr.splitlines()[-1]) == (2, sentence)


def test_where_no_queue_has_letters_one_is_to_be_named(shop: Any) -> None:
    refused = shop.toril("dead", "list")
    missing = shop.toril("dead", "replay", "x")

    assert (refused.exit_code, refused.stderr) == (
        2,
        "error: no queue has a dead_letter; name the queue whose letters are meant\n",
    )
    assert (missing.exit_code, missing.stderr) == (
        1,
        "error: no dead letter 'x' in any queue that dead letters go to\n",
    )
