"""Checking flows; the wordings are in tests/acceptance/wrong_yaml."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toril.config.check_flows import _find_cycle
from toril.declarations.backoff import Backoff
from toril.declarations.job_type import Retry

HEAD = """
jobs:
  greet: {queue: orders, use: shop.greet}
  ship: {queue: partner}
flows:
  daily:
"""


def test_one_step_is_a_flow(load) -> None:
    assert load(HEAD + "    steps: {greet: {job: greet}}").problems == ()


def test_extension_keys_among_steps_are_no_steps(load) -> None:
    text = HEAD + "    steps: {greet: {job: greet, x-a: 1}, x-more: {job: gone}}"

    assert list(load(text).require_pipeline().flows["daily"].steps) == ["greet"]


def test_an_extension_key_is_one_whatever_its_flow_is_called(load) -> None:
    text = HEAD.replace("daily", "data") + "    steps: {greet: {job: greet}, x-more: {job: gone}}"

    assert list(load(text).require_pipeline().flows["data"].steps) == ["greet"]


def test_steps_of_a_wrong_shape_do_not_hide_the_jobs_of_the_others(load) -> None:
    text = HEAD + "    steps: {greet: {job: gone, needs: load}}"

    assert [code for _, _, code, _ in load.told(text)] == ["T201", "T103"]


def test_several_last_steps_and_dependents_are_fine(load) -> None:
    text = (
        HEAD
        + """
    steps:
      a: {job: greet}
      b: {job: greet, needs: [a]}
      c: {job: greet, needs: [a]}
      d: {job: greet, needs: [a, b]}
"""
    )

    assert load.told(text) == []


def test_a_flow_may_hand_its_inputs_to_another_runtime(load) -> None:
    text = (
        HEAD
        + """
    steps:
      ship: {job: ship, data: {id: "${{ inputs.id }}"}}
      greet: {job: greet, needs: [ship], data: "${{ needs.ship.result }}"}
schedules:
  daily: {every: 1d, flow: daily}
"""
    )

    assert load(text).problems == ()


@pytest.mark.parametrize(
    ("inputs", "codes"),
    [
        ("{type: object}", []),
        ("true", []),
        ("{type: object, properties: {id: {}}}", []),
        ("{type: object, properties: {other: {}}}", ["T407"]),
        ("{type: object, additionalProperties: false}", ["T407"]),
        ("{type: object, additionalProperties: false, patternProperties: {id: true}}", []),
    ],
)
def test_an_input_that_is_named_is_declared_unless_the_schema_leaves_it_open(
    load, inputs: str, codes: list[str]
) -> None:
    text = (
        HEAD
        + f"""
    inputs: {inputs}
    steps: {{greet: {{job: greet, data: {{id: "${{{{ inputs.id }}}}"}}}}}}
"""
    )

    assert [code for _, _, code, _ in load.told(text)] == codes


def test_an_escaped_expression_is_text(load) -> None:
    text = HEAD + '    steps: {greet: {job: greet, data: {id: "$${{ not one }}"}}}'

    step = load(text).require_pipeline().flows["daily"].steps["greet"]

    assert step.data == {"id": "${{ '${{' }} not one }}"}


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("{{ inputs.id }}", ["T409"]),
        ("a {{needs.load.result}} of ${{ inputs.id }}", ["T409"]),
        ("Dear {{ customer }}", []),
        ("{{ needsmore }} {{ 'inputs' }}", []),
        ("$${{ inputs.id }}", []),
        ("${{ inputs.id }}", []),
    ],
)
def test_an_expression_without_its_dollar_is_told(load, text: str, codes: list[str]) -> None:
    yaml = HEAD + f"""    steps: {{greet: {{job: greet, data: {{id: "{text}"}}}}}}"""

    assert [code for _, _, code, _ in load.told(yaml)] == codes


NAMES = st.sampled_from("abcdef")


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(NAMES, st.lists(NAMES, unique=True, max_size=3)))
def test_a_circle_is_found_if_and_only_if_there_is_one(drawn: dict[str, list[str]]) -> None:
    needs = {name: [one for one in needed if one in drawn] for name, needed in drawn.items()}

    cycle = _find_cycle(needs)

    if cycle:
        following = [*cycle[1:], cycle[0]]
        assert all(one in needs[name] for name, one in zip(cycle, following, strict=True))
    else:
        assert can_be_ordered(needs)


def can_be_ordered(needs: dict[str, list[str]]) -> bool:
    """Whether the steps can be taken one by one, each after all it needs."""
    left = dict(needs)
    while left:
        free = [name for name, needed in left.items() if not any(one in left for one in needed)]
        if not free:
            return False
        for name in free:
            del left[name]
    return True


def test_a_step_replaces_what_it_says_of_retries_and_keeps_the_rest(load) -> None:
    job = "retry: {attempts: 3, backoff: 2s, never_on: [KeyError]}"
    top = f"version: 1\ndefaults: {{job: {{{job}}}}}"
    steps = "    steps: {a: {job: greet, retry: 7, timeout: 5s, priority: 2}, b: {job: greet}}"

    flow = load(HEAD + steps, top=top).require_pipeline().flows["daily"]

    assert flow.steps["a"].retry == Retry(
        attempts=7, backoff=Backoff(type="fixed", delay_ms=2_000), never_on=("KeyError",)
    )
    assert (flow.steps["a"].timeout_ms, flow.steps["a"].priority) == (5_000, 2)
    assert flow.steps["b"].retry is None
