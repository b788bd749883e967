"""`${{ }}`: what is parsed, what is refused and where, and what comes out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toril.declarations.expression import (
    ExpressionProblem,
    find_unknown_members,
    parse_template,
)
from toril.errors import ExpressionError, TemplateError


def find_problems(value: Any) -> list[ExpressionProblem]:
    with pytest.raises(TemplateError) as raised:
        parse_template(value)
    return list(raised.value.problems)


def list_names(value: Any) -> list[str]:
    return [".".join(reference.names) for reference in parse_template(value).references]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("${{ inputs.count }}", 3),
        ("${{ inputs.count + 1 }}", 4),
        ("${{inputs.list}}", [1, None, "x"]),
        ("n=${{ inputs.count }}, ${{ inputs.list }}", 'n=3, [1, null, "x"]'),
        ("${{ inputs.name }}!", "é!"),
        ("${{ inputs.count > 2 ? 'many' : 'few' }}", "many"),
        ("${{ needs.orders.result.rows }}", [{"id": 1}]),
        ("${{ needs['orders'].result.rows[0].id }}", 1),
        ("${{ needs.orders.result.rows.map(row, row.id * 2) }}", [2]),
        ("${{ has(inputs.nothing) }}", False),
        ("${{ {'a': {'b': inputs.count}} }}", {"a": {"b": 3}}),
        ("${{ '}}' + inputs.name }}", "}}é"),
        ("${{ timestamp('2026-01-01T00:00:00Z') + duration('90s') }}", "2026-01-01T00:01:30Z"),
        ("${{ duration('1500ms') }}", "1.5s"),
    ],
)
def test_a_text_becomes_its_value(text: str, expected: Any) -> None:
    context = {
        "inputs": {"count": 3, "list": [1, None, "x"], "name": "é"},
        "needs": {"orders": {"result": {"rows": [{"id": 1}]}}},
    }

    assert parse_template(text).render(context) == expected


def test_nested_values_are_rendered_and_the_rest_stays() -> None:
    template = parse_template({"a": ["${{ inputs.x }}", 1], "b": None, "c": {"d": "plain"}})

    value = template.render({"inputs": {"x": 2.5}})

    assert value == {"a": [2.5, 1], "b": None, "c": {"d": "plain"}}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(json_values)
def test_a_plain_member_is_passed_on_unchanged(value: Any) -> None:
    rendered = parse_template("${{ inputs.value }}").render({"inputs": {"value": value}})

    assert rendered == value
    assert type(rendered) is type(value)


@given(st.text())
def test_text_without_an_expression_stays(text: str) -> None:
    if "${{" not in text:
        assert parse_template(text).render({}) == text


@pytest.mark.parametrize(
    ("text", "message", "offset", "length"),
    [
        ("${{ inputs.a + }}", "the expression ends too early", 14, 1),
        ("${{ foo.bar }}", "no variable 'foo' is known here, only inputs, needs", 4, 7),
        (
            "${{ inputs.a }} and ${{ bogus + 1 }}",
            "no variable 'bogus' is known here, only inputs, needs",
            24,
            5,
        ),
        ("${{ 'é😀' + bogus }}", "no variable 'bogus' is known here, only inputs, needs", 11, 5),
        ("${{ 1 +\n  bogus }}", "no variable 'bogus' is known here, only inputs, needs", 10, 5),
        ("${{ 'a' + 1 }}", "'+' does not take (string, int)", 8, 1),
        ("${{ -'a' }}", "'-' does not take (string)", 4, 1),
        ("${{ size(1) }}", "'size' does not take (int)", 8, 1),
        ("${{ foo(1) }}", "no function 'foo' is known", 4, 3),
        ("${{ 1 2 }}", "'2' is not expected here", 6, 1),
        ("${{ 'abc }}", '"\'abc" cannot be read', 4, 1),
        ("${{ }}", "expected an expression, got nothing", 3, 1),
        ("${{ inputs.a", "'${{' without '}}'; close it", 0, 3),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    text: str, message: str, offset: int, length: int
) -> None:
    [problem] = find_problems({"rows": [text]})

    assert problem == ExpressionProblem(
        message=message, place=("rows", 0), offset=offset, length=length
    )


def test_every_text_has_its_own_problem_and_keys_take_no_expression() -> None:
    problems = find_problems({"a": "${{ x }}", "${{ inputs.b }}": 1, "c": "${{ y }}"})

    assert [(p.place, p.in_key) for p in problems] == [
        (("a",), False),
        (("${{ inputs.b }}",), True),
        (("c",), False),
    ]
    assert problems[1].message == "expressions are for values only"


def test_a_deep_expression_is_refused() -> None:
    [problem] = find_problems("${{ " + "(" * 40 + "1" + ")" * 40 + " }}")

    assert problem.message == "expression recursion limit exceeded. limit: 32"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("plain", []),
        ("${{ needs.a.result.rows > inputs.least }}", ["needs.a.result.rows", "inputs.least"]),
        ("${{ needs['a b'].result[0].x }}", ["needs.a b.result"]),
        ("${{ inputs.list.map(needs, needs.x + inputs.y) }}", ["inputs.list", "inputs.y"]),
        ("${{ {'k': inputs.a}.k + [needs.b.result][0] }}", ["inputs.a", "needs.b.result"]),
        ("${{ has(needs.a.result) }}", ["needs.a.result"]),
        ("${{ inputs[needs.a.result] }}", ["inputs", "needs.a.result"]),
    ],
)
def test_the_members_read_are_listed(text: str, names: list[str]) -> None:
    assert list_names(text) == names


def test_a_reference_has_its_place_in_the_text() -> None:
    [reference] = parse_template({"x": "id ${{ inputs.report_id }}"}).references

    assert (reference.place, reference.offset, reference.length) == (("x",), 7, 16)


def test_members_outside_the_known_ones_are_found() -> None:
    template = parse_template(["${{ needs.a.reslt }}", "${{ needs.c.result + inputs.any }}"])
    known = {"inputs": None, "needs": {"a": {"result": None}, "b": {"result": None}}}

    unknown = find_unknown_members(template, known)

    assert [(u.name, u.known) for u in unknown] == [("reslt", ("result",)), ("c", ("a", "b"))]
    assert template.uses("needs")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("${{ inputs.gone }}", "inputs has no member 'gone'"),
        ("${{ inputs.gone + 1 }}", "no member 'gone'"),
        ("${{ inputs.name + 1 }}", "'+' does not take (string, int64)"),
        ("${{ 1 / 0 }}", "divide by zero"),
        ("${{ 1.0 / 0.0 }}", "inf is not JSON"),
        ("${{ {1: 2} }}", "a map with keys that are not text is not JSON"),
        ("${{ b'abc' }}", "a bytearray is not JSON"),
        ("${{ inputs.large + 1 }}", f"the number {2**70} has more than 64 bits"),
        ("${{ inputs.half + 'x' }}", "a text is not valid Unicode"),
        ("${{ needs.a }}", "it has no member 'needs'"),
    ],
)
def test_a_failing_expression_names_itself_and_the_reason(text: str, reason: str) -> None:
    context = {"inputs": {"name": "x", "large": 2**70, "half": "\ud800"}}

    with pytest.raises(ExpressionError) as raised:
        parse_template(text).render(context)

    assert str(raised.value) == f"{text} failed: {reason}"


def test_other_variables_may_be_declared() -> None:
    template = parse_template("${{ queue.failed > 50 }}", {"queue": "map<string, int>"})

    assert template.render({"queue": {"failed": 51}}) is True
