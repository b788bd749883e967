"""How much of an error a list of jobs shows."""

from __future__ import annotations

import pytest

from toril.cli.job import _cut


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (None, None),
        ("", None),
        ("no such user", "no such user"),
        ("first line\nsecond", "first line…"),
        ("x" * 81, "x" * 80 + "…"),
    ],
)
def test_a_row_shows_one_line_of_an_error(error: str | None, shown: str | None) -> None:
    assert _cut(error) == shown
