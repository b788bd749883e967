"""The excerpt below a problem."""

from __future__ import annotations

from toril.config.problems import Problem


def make_problem(**changes: object) -> Problem:
    fields: dict[str, object] = {
        "file": "pipelines/orders.yaml",
        "line": 14,
        "column": 7,
        "code": "T104",
        "message": "unknown key 'atempts' in jobs.sync-orders.retry",
        "hint": "did you mean 'attempts'?",
        "excerpt": "      atempts: 5",
        "width": 7,
    }
    return Problem(**{**fields, **changes})  # type: ignore[arg-type]


def test_a_problem_is_written_with_its_line_a_caret_and_the_hint() -> None:
    assert str(make_problem()) == (
        "pipelines/orders.yaml:14:7 T104 unknown key 'atempts' in jobs.sync-orders.retry\n"
        "   14 |       atempts: 5\n"
        "      |       ^^^^^^^ hint: did you mean 'attempts'?"
    )


def test_a_warning_says_so() -> None:
    problem = make_problem(severity="warning", hint=None)

    assert str(problem).splitlines()[0].startswith("pipelines/orders.yaml:14:7 T104 warning: ")


def test_a_problem_without_a_line_shows_its_hint_below() -> None:
    assert str(make_problem(excerpt="")).splitlines()[1] == "      hint: did you mean 'attempts'?"
    assert str(make_problem(excerpt="", hint=None)).count("\n") == 0


def test_the_caret_stands_below_wide_and_combining_characters() -> None:
    problem = make_problem(excerpt="日本e\u0301: x", column=7, width=1, hint=None)

    assert str(problem).splitlines()[1:] == [
        "   14 | 日本e\u0301: x",
        "      |        ^",
    ]


def test_control_characters_do_not_reach_the_terminal() -> None:
    excerpt, message = "a\t\x1b[31mb", "unknown key 'a' in jobs.\x1b[31m\u202e"
    problem = make_problem(excerpt=excerpt, message=message, column=1, width=1, hint=None)

    assert str(problem).replace("\n", "").isprintable()
    assert "a \N{REPLACEMENT CHARACTER}[31mb" in str(problem)


def test_a_long_line_is_cut_around_the_caret() -> None:
    problem = make_problem(excerpt="x" * 500 + "HERE" + "y" * 500, column=501, width=4, hint=None)

    line, carets = str(problem).splitlines()[1:]
    start = carets.index("^")

    assert len(line) < 120
    assert line[start : start + 4] == "HERE"
    assert carets.count("^") == 4


def test_a_caret_past_the_end_of_the_line_is_one() -> None:
    problem = make_problem(excerpt="ab", column=3, width=50, hint=None)

    assert str(problem).splitlines()[2] == "      |   ^"


def test_an_excerpt_fits_the_terminal_and_the_hint_moves_below() -> None:
    problem = make_problem(excerpt=" " * 6 + "atempts: 5, " + "x" * 90)

    lines = problem.format(40).splitlines()[1:]

    assert lines == [
        "   14 |       atempts: 5, xxxxxxxxxxxxx…",
        "      |       ^^^^^^^",
        "      | hint: did you mean 'attempts'?",
    ]
