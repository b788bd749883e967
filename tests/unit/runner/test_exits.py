"""How worker processes end, and when they are restarted."""

from __future__ import annotations

import signal

import pytest

from toril.runner.exits import Exit, RestartPauses


def test_a_clean_end_is_no_crash() -> None:
    assert not Exit(0).is_crash
    assert Exit(3).is_crash
    assert Exit(-signal.SIGKILL).is_crash


def test_an_exit_names_its_signal_or_code() -> None:
    assert str(Exit(3)) == "exit code 3"
    assert str(Exit(-signal.SIGSEGV)) == "signal SIGSEGV"
    assert str(Exit(-77)) == "signal 77"


def test_pauses_double_in_a_series_up_to_half_a_minute() -> None:
    pauses = RestartPauses()

    series = [pauses.next_s(lived_s=0.1, random_unit=0) for _ in range(40)]

    assert series[:4] == [0.05, 0.1, 0.2, 0.4]
    assert series[-1] == 30


def test_a_long_life_starts_the_series_over() -> None:
    pauses = RestartPauses()
    for _ in range(5):
        pauses.next_s(lived_s=0.1, random_unit=0)

    assert pauses.next_s(lived_s=60, random_unit=0) == 0.05


def test_processes_that_died_together_come_back_one_after_the_other() -> None:
    pause_s = RestartPauses().next_s(lived_s=0, random_unit=1)

    assert pause_s == pytest.approx(0.075)
