"""Tests of runtime/states.py."""

from __future__ import annotations

import re
from pathlib import Path

import toril.runtime.states as states
from toril.runtime.states import FINISHED, JobState


def test_the_states_are_bullmqs_and_no_others() -> None:
    assert list(JobState) == [
        "waiting",
        "prioritized",
        "delayed",
        "active",
        "waiting-children",
        "completed",
        "failed",
        "unknown",
    ]


def test_each_state_says_what_it_means() -> None:
    source = Path(states.__file__).read_text()

    for state in JobState:
        assert re.search(rf"    #: [A-Z].*\n(    #: .*\n)*    {state.name} = ", source), state


def test_finished_is_completed_or_failed() -> None:
    assert {"completed", "failed"} == FINISHED
