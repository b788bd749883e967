"""Checking the data that stands in the YAML."""

from __future__ import annotations

JOB = """
jobs:
  greet:
    queue: orders
    use: shop.greet
    data_schema: {type: object, properties: {n: {type: integer}, s: {type: string}}}
"""


def test_variables_are_typed_as_the_schema_of_the_data_wants(load) -> None:
    text = JOB + 'schedules: {often: {every: 1h, job: greet, data: {n: "${N}", s: "${N}"}}}'

    schedule = load(text, environ={"N": "7"}).require_pipeline().schedules["often"]

    assert schedule.data == {"n": 7, "s": "7"}


def test_data_with_expressions_is_left_to_the_run(load) -> None:
    text = JOB + 'flows: {f: {steps: {greet: {job: greet, data: {n: "${{ inputs.n }}"}}}}}'

    assert load(text).problems == ()


def test_data_that_nests_too_deep_to_be_checked_is_told(load) -> None:
    text = f"""
jobs:
  greet: {{queue: orders, use: shop.greet, data_schema: {deep_schema()}}}
schedules:
  often: {{every: 1h, job: greet, data: {{a: {"[" * 55 + "]" * 55}}}}}
"""

    assert [message for _, _, _, message in load.told(text)] == [
        "expected data that nests less deep, by the data_schema of job 'greet'"
    ]


def deep_schema() -> str:
    inner = '{items: {$ref: "#/$defs/n"}}'
    for _ in range(12):
        inner = "{allOf: [" + inner + "]}"
    return "{$defs: {n: " + inner + '}, properties: {a: {$ref: "#/$defs/n"}}}'


def test_a_schema_file_may_be_any_json(load) -> None:
    files = {
        "jobs.yaml": "jobs: {greet: {queue: orders, use: shop.greet, data_schema: {file: s.json}}}",
        "s.json": '{"title": "\\ud83d\\ude00", "type": "object"}',
    }

    assert load(files).require_pipeline().jobs["greet"].data_schema == {
        "title": "😀",
        "type": "object",
    }


def test_a_schema_file_whose_places_yaml_cannot_tell_is_meant_as_a_whole(load) -> None:
    files = {
        "jobs.yaml": "jobs: {greet: {queue: orders, use: shop.greet, data_schema: {file: s.json}}}",
        "s.json": '{\n"title": "\\ud83d\\ude00", "type": "objekt"}',
    }

    assert [(line, column, code) for line, column, code, _ in load.told(files)] == [(1, 1, "T116")]
