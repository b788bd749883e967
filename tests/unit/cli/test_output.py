"""Tables and text for people, JSON for programs."""

from __future__ import annotations

import json
import sys

import pytest
from rich.console import Console

from toril.cli import tables
from toril.cli.output import cut_text, format_jobs, make_printable, print_json, print_table


@pytest.fixture
def narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(file=sys.stdout, width=20, highlight=False)
    monkeypatch.setattr(tables, "make_console", lambda: console)


def test_a_table_aligns_numbers_and_says_none_and_yes(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("orders", 12, None, True), ("mails", 3, "late", False)]

    print_table(("queue", "jobs", "note", "paused"), rows, empty="nothing")

    assert capsys.readouterr().out == (
        "queue   jobs  note  paused\norders    12  -     yes\nmails      3  late  no\n"
    )


def test_an_empty_table_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("queue",), [], empty="no queue is declared")

    assert capsys.readouterr().out == "no queue is declared\n"


@pytest.mark.usefixtures("narrow_terminal")
def test_text_folds_between_words_and_an_id_stays_whole(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("id", "error"), [("0123456789-0123456789", "no such user")], empty="")

    assert capsys.readouterr().out == (
        "id                     error\n"
        "0123456789-0123456789  no\n"
        "                       such\n"
        "                       user\n"
    )  # fmt: skip


def test_markup_and_control_characters_of_a_job_are_shown_as_they_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table(("error",), [("[red]\x1b[31mboom\x07",)], empty="")

    assert capsys.readouterr().out == "error\n[red]\\x1b[31mboom\\x07\n"


def test_lines_and_tabs_are_printable() -> None:
    assert make_printable("a\n\tb\x00") == "a\n\tb\\x00"


def test_json_is_utf_8_and_strict(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": "Zürich"})

    text = capsys.readouterr().out
    assert "Zürich" in text
    assert json.loads(text) == {"name": "Zürich"}
    with pytest.raises(ValueError, match="Out of range float values"):
        print_json(float("nan"))


def test_json_keeps_half_a_surrogate_pair_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"name": "ü\ud800"}

    print_json(value)

    out = capsys.readouterr().out
    assert out == '{\n  "name": "ü\\ud800"\n}\n'
    assert json.loads(out) == value


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (None, None),
        ("", None),
        ("no such user", "no such user"),
        ("first line\nsecond", "first line…"),
        ("x" * 81, "x" * 80 + "…"),
    ],
)
def test_a_row_shows_one_line_of_a_text(text: str | None, shown: str | None) -> None:
    assert cut_text(text) == shown


@pytest.mark.usefixtures("narrow_terminal")
def test_expendable_columns_are_left_out_where_there_is_no_room(
    capsys: pytest.CaptureFixture[str],
) -> None:
    heads, rows = ("id", "name", "added", "tries"), [("a-1", "sync", "2026-11-24", "7")]

    print_table(heads, rows, empty="", expendable=("tries", "added"))
    print_table(heads[:2], [("a-1", "sync")], empty="", expendable=("name",))
    print_table(("id", "tries"), [("0123456789-0123456789", "7")], empty="", expendable=("tries",))

    assert capsys.readouterr().out == (
        "id   name\na-1  sync\nid   name\na-1  sync\nid\n0123456789-0123456789\n"
    )


@pytest.mark.parametrize(
    ("count", "state", "expected"),
    [
        (0, "", "0 jobs"),
        (1, "", "1 job"),
        (1, "failed", "1 failed job"),
        (2, "failed", "2 failed jobs"),
    ],
)
def test_jobs_are_counted_in_words(count: int, state: str, expected: str) -> None:
    assert format_jobs(count, state) == expected
