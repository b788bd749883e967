"""Dead letters under fire: poison jobs, workers killed while they fail jobs."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from toril.runtime.calls.dead_letters import DeadLetter, replay_letters
from toril.runtime.kept_letters import LetterFilter, list_letters
from toril.runtime.keys import QueueKeys
from toril.runtime.steps import walk_sync

MakePipeline = Callable[..., Any]
BlockUntil = Callable[..., None]

LETTERS = QueueKeys("bull", "letters")
DEAD = """
queues: {letters: }
jobs: {doomed: {queue: orders, use: faults.act, dead_letter: letters}}
"""


@pytest.fixture
def make_doomed(make_pipeline: MakePipeline) -> MakePipeline:
    """Makes a pipeline whose jobs `doomed` leave letters."""

    def make(**given: Any) -> Any:
        pipeline = make_pipeline(**given)
        (pipeline.root / "dead.yaml").write_text(DEAD)
        return pipeline

    return make


def find_letters(pipeline: Any) -> list[DeadLetter]:
    steps = list_letters([LETTERS], LetterFilter(), limit=1000)
    return walk_sync(steps, pipeline.sender.send)


@pytest.mark.parametrize(
    ("what", "end"),
    [
        ({"signal": "SIGSEGV"}, "signal SIGSEGV"),
        ({"signal": "SIGKILL"}, "signal SIGKILL"),
        ({"exit": 3}, "exit code 3"),
        ({"exit": 0}, "exit code 0"),
    ],
)
def test_a_poison_job_leaves_a_letter_with_how_its_process_ended(
    make_doomed: MakePipeline, what: dict[str, Any], end: str
) -> None:
    pipeline = make_doomed(limit=1)
    [job] = pipeline.add(what, job="doomed")

    assert pipeline.run("--until-idle").end() == 0

    [letter] = find_letters(pipeline)
    assert (letter.from_id, letter.data, letter.error_type) == (job, what, "WorkerCrashed")
    assert letter.error == f"the job ended its worker process ({end}) more than 1 times"
    assert pipeline.state(job) == "failed"


def test_only_the_poison_among_many_leaves_a_letter(make_doomed: MakePipeline) -> None:
    pipeline = make_doomed(limit=1)
    poison, *_ = pipeline.add({"signal": "SIGSEGV"}, *[{"sleep": 0.05}] * 8, job="doomed")

    assert pipeline.run("--until-idle").end() == 0

    assert [letter.from_id for letter in find_letters(pipeline)] == [poison]
    assert pipeline.counts().completed == 8


def test_workers_killed_while_they_fail_jobs_leave_one_letter_of_each(
    make_doomed: MakePipeline, block_until: BlockUntil
) -> None:
    pipeline = make_doomed(limit=50)
    ids = pipeline.add(*({"sleep": f"no number, {n}"} for n in range(400)), job="doomed")
    run = pipeline.run("--until-idle", "--processes", "2")
    for share in (50, 150, 250):
        block_until(lambda share=share: pipeline.counts().failed >= share, "15s")
        for pid in run.worker_pids()[:1]:
            os.kill(pid, signal.SIGKILL)

    assert run.end() == 0

    letters = find_letters(pipeline)
    assert sorted(letter.from_id for letter in letters) == sorted(ids)
    assert pipeline.counts().failed == 400
    assert pipeline.fsck() == []


def test_a_job_that_is_sent_back_twice_runs_once(make_doomed: MakePipeline) -> None:
    pipeline = make_doomed()
    [job] = pipeline.add({"sleep": "no number"}, job="doomed")
    assert pipeline.run("--until-idle").end() == 0
    [letter] = find_letters(pipeline)
    call = replay_letters(LETTERS, [letter], now_ms=letter.failed_at_ms + 1)

    # As after a lost reply, and again once the job has failed a second time.
    codes = [pipeline.sender.send(call) for _ in range(2)]
    assert pipeline.run("--until-idle").end() == 0
    codes.append(pipeline.sender.send(call))

    assert codes == [[0], [-1], [-1]]
    assert pipeline.history("start")[job] == 2
    assert [json.loads(one.job.data_json)["attempts"] for one in find_letters(pipeline)] == [1]
    assert pipeline.fsck() == []
