"""Looking up a name."""

from __future__ import annotations

import pytest

from toril.declarations.names import find_named
from toril.errors import UnknownName


@pytest.mark.parametrize(
    ("name", "declared", "line", "suggestion"),
    [
        ("ordres", ["orders", "prices"], "no queue 'ordres'; did you mean 'orders'?", "orders"),
        ("x", ["orders", "prices"], "no queue 'x'; known are 'orders', 'prices'", None),
        ("x", [], "no queue 'x'; none is declared", None),
        (
            "x",
            [f"queue-{n}" for n in range(9)],
            "no queue 'x'; known are 'queue-0', 'queue-1', 'queue-2', 'queue-3', 'queue-4', "
            "'queue-5', 'queue-6', 'queue-7', ...",
            None,
        ),
    ],
)
def test_an_unknown_name_is_explained(
    name: str, declared: list[str], line: str, suggestion: str | None
) -> None:
    with pytest.raises(UnknownName) as caught:
        find_named("queue", name, dict.fromkeys(declared))

    assert str(caught.value) == line
    assert caught.value.suggestion == suggestion


def test_a_known_name_gives_what_is_declared() -> None:
    assert find_named("queue", "orders", {"orders": 7}) == 7
