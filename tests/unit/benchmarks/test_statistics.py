from __future__ import annotations

import pytest
from benchmarks.report.statistics import (
    choose_reference,
    compute_ratios,
    find_percentile,
    summarize,
)
from hypothesis import given
from hypothesis import strategies as st

VALUES = st.lists(st.floats(0, 1e9), min_size=1)


@given(VALUES)
def test_a_median_lies_between_the_extremes(values: list[float]) -> None:
    spread = summarize(values)

    assert spread.least <= spread.median <= spread.most


@pytest.mark.parametrize(("percent", "value"), [(50, 50), (95, 95), (99, 99), (100, 100), (0.5, 1)])
def test_a_percentile_is_the_value_of_the_nearest_rank(percent: float, value: float) -> None:
    assert find_percentile(range(100, 0, -1), percent) == value


@given(VALUES, st.floats(0, 100))
def test_a_percentile_is_one_of_the_values(values: list[float], percent: float) -> None:
    assert find_percentile(values, percent) in values


def test_ratios_are_to_bullmq_for_node() -> None:
    medians = {"toril": 30.0, "bullmq": 10.0, "huey": 40.0}

    reference = choose_reference(medians, more_is_better=True)

    assert compute_ratios(medians, reference) == {"toril": 3, "bullmq": 1, "huey": 4}


@pytest.mark.parametrize(("more_is_better", "best"), [(True, "huey"), (False, "rq")])
def test_without_it_ratios_are_to_the_best_other_peer(more_is_better: bool, best: str) -> None:
    medians = {"toril": 50.0, "huey": 40.0, "rq": 2.0}

    assert choose_reference(medians, more_is_better=more_is_better) == best


def test_without_a_peer_there_are_no_ratios() -> None:
    medians = {"toril, in threads": 2.0, "toril, on the loop": 1.0}

    assert compute_ratios(medians, choose_reference(medians, more_is_better=True)) == {}
