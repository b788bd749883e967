"""Filling in `${VAR}`."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toril.config.interpolation import interpolate

ENVIRON = {"NAME": "orders", "EMPTY": "", "COST": "$5", "_X1": "x"}


@pytest.mark.parametrize(
    ("text", "filled_in"),
    [
        ("${NAME}", "orders"),
        ("a ${NAME}-${_X1} b", "a orders-x b"),
        ("${NAME:-x}", "orders"),
        ("${EMPTY}", ""),
        ("${EMPTY:-x}", "x"),
        ("${GONE:-x}", "x"),
        ("${GONE:-}", ""),
        ("${GONE:-a:-b}", "a:-b"),
        ("${GONE:-${EMPTY:-${NAME}}}", "orders"),
        ("${GONE:-cost $$5}", "cost $5"),
        ("${NAME:?why}", "orders"),
        ("$$", "$"),
        ("$${NAME}", "${NAME}"),
        ("$$$${NAME}", "$${NAME}"),
        ("$$${NAME}", "$orders"),
        ("${COST}", "$5"),
        ("^[a-z]+$", "^[a-z]+$"),
        ("$NAME $5 $", "$NAME $5 $"),
        ("no variable", "no variable"),
        ("$${{ x }}", "${{ x }}"),
    ],
)
def test_variables_are_filled_in(text: str, filled_in: str) -> None:
    result = interpolate(text, ENVIRON)

    assert result.text == filled_in
    assert result.faults == []


@pytest.mark.parametrize(
    "text",
    [
        "${{ inputs.x }}",
        "${{ '${NAME}' }}",
        "${{ '}}' + \"${NAME}\" }}",
        "${{ {'a': {'b': '${NAME}'}} }}",
        "${{ never closed ${NAME}",
    ],
)
def test_expressions_are_left_alone(text: str) -> None:
    result = interpolate(text, ENVIRON)

    assert result.text == text
    assert len(result.expressions) == 1


def test_variables_around_an_expression_are_filled_in() -> None:
    result = interpolate("${NAME} ${{ '$${NAME}' }} ${NAME}", ENVIRON)

    assert result.text == "orders ${{ '$${NAME}' }} orders"
    assert result.expressions == [(8, 17)]


def test_an_escaped_expression_is_text_for_whoever_reads_expressions() -> None:
    result = interpolate("$${{ x }}", ENVIRON, keep_escapes=True)

    assert result.text == "${{ '${{' }} x }}"


@pytest.mark.parametrize(
    ("text", "is_whole"),
    [
        ("${NAME}", True),
        ("${GONE:-5}", True),
        ("${NAME} ", False),
        ("${NAME}${NAME}", False),
        ("${{ x }}", False),
        ("$$", False),
        ("$NAME", False),
    ],
)
def test_a_scalar_that_is_one_variable_is_known(text: str, is_whole: bool) -> None:
    assert interpolate(text, ENVIRON).is_whole is is_whole


@pytest.mark.parametrize(
    ("text", "code", "offset", "width", "message"),
    [
        ("a ${GONE}", "T405", 2, 7, "variable 'GONE' is not set; it reads as empty text"),
        ("${GONE:?set it}", "T404", 0, 15, "variable 'GONE' is not set: set it"),
        ("${EMPTY:?}", "T404", 0, 10, "variable 'EMPTY' is not set"),
        ("${GONE:-${LOST}}", "T405", 8, 7, "variable 'LOST' is not set; it reads as empty text"),
        *[
            (text, "T403", 0, len(text), f"expected {{forms}}, got {text!r}")
            for text in ("${}", "${1}", "${ NAME }", "${NAME-x}", "${NAME?x}", "${NAME:+x}")
        ],
        ("x ${NAME", "T403", 2, 6, "expected {forms}, got '${NAME' without its '}'"),
    ],
)
def test_what_cannot_be_filled_in_is_told(
    text: str, code: str, offset: int, width: int, message: str
) -> None:
    (fault,) = interpolate(text, ENVIRON).faults

    assert (fault.code, fault.offset, fault.width) == (code, offset, width)
    assert fault.message == message.replace("{forms}", "${VAR}, ${VAR:-default} or ${VAR:?message}")


def test_defaults_in_defaults_are_bounded() -> None:
    faults = interpolate("${A:-" * 50 + "}" * 50, {}).faults

    assert {fault.code for fault in faults} == {"T403"}


@settings(deadline=None)
@given(st.text(alphabet="$"), st.text(alphabet="{}:-?' aN"))
def test_any_text_is_read(dollars: str, rest: str) -> None:
    interpolate(dollars + rest, {"N": "n"})


@settings(deadline=None)
@given(st.text())
def test_a_text_with_doubled_dollars_reads_as_the_text(text: str) -> None:
    assert interpolate(text.replace("$", "$$"), {}).text == text
