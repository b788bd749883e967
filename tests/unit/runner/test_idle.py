"""When a pipeline that runs until idle is done."""

from __future__ import annotations

from toril.runner.idle import Verdict, find_wait, judge
from toril.runtime.calls.unfinished import UnfinishedWork


def work(queue: str = "orders", **counts: int | bool) -> UnfinishedWork:
    return UnfinishedWork(queue=queue, **counts)  # type: ignore[arg-type]


def test_nothing_left_is_idle() -> None:
    assert judge([work(), work("reports", is_paused=True)]).verdict is Verdict.IDLE


def test_anything_left_is_busy() -> None:
    for count in ("ready", "delayed", "active"):
        assert judge([work(), work("reports", **{count: 1})]).verdict is Verdict.BUSY


def test_work_that_only_a_paused_queue_holds_is_stuck() -> None:
    small = work("a", is_paused=True, ready=1)
    large = work("b", is_paused=True, ready=1, delayed=1)

    judgement = judge([small, large, work("c", waiting_children=2)])

    assert judgement.verdict is Verdict.PAUSED
    assert judgement.stuck_in == large


def test_a_job_that_still_runs_keeps_a_paused_queue_busy() -> None:
    paused = work("a", is_paused=True, ready=1)

    assert judge([paused, work("b", active=1)]).verdict is Verdict.BUSY
    assert judge([paused, work("b", delayed=1)]).verdict is Verdict.BUSY


def test_parents_whose_children_move_nowhere_are_childless() -> None:
    few, many = work("a", waiting_children=1), work("b", waiting_children=2)

    judgement = judge([work(), few, many], [work("external", waiting_children=1)])

    assert judgement.verdict is Verdict.CHILDLESS
    assert judgement.stuck_in == many


def test_parents_may_wait_for_children_that_others_run() -> None:
    parent = work("a", waiting_children=1)

    assert judge([parent], [work("external", ready=1)]).verdict is Verdict.BUSY
    assert judge([parent], [work("external", active=1)]).verdict is Verdict.BUSY
    paused = work("external", is_paused=True, ready=1)
    assert judge([parent], [paused]).stuck_in == paused


def test_work_of_others_alone_does_not_count() -> None:
    assert judge([work()], [work("external", ready=1)]).verdict is Verdict.IDLE


def test_what_is_waited_for_is_the_job_due_first_of_what_will_move() -> None:
    late, soon = work("a", delayed=1, due_ms=9), work("b", delayed=2, due_ms=5)
    paused = work("c", is_paused=True, ready=1, delayed=1, due_ms=1)

    assert find_wait([work(), late, soon, paused, work("d", waiting_children=1)]) == soon
    assert find_wait([paused]) is None


def test_while_anything_else_moves_nothing_is_waited_for() -> None:
    delayed = work("a", delayed=1, due_ms=9)

    assert find_wait([delayed, work("b", active=1)]) is None
    assert find_wait([delayed, work("b", ready=1)]) is None
