"""The log's sentences."""

from __future__ import annotations

import json
import re
from pathlib import Path

import toril
from toril.runner.log_lines import SENTENCES, format_json, format_sentence, format_text

NOW_MS = 1_790_000_000_123
CODE = Path(toril.__file__).parent


def test_an_event_is_one_line_for_people() -> None:
    line = format_text("jobs_handed_back", {"queue": "q", "jobs": 2, "worker": "w"}, now_ms=NOW_MS)

    assert re.fullmatch(r"\d\d:\d\d:\d\d q: 2 job\(s\) of w wait again", line)


def test_a_warning_says_that_it_is_one() -> None:
    line = format_text("clock_skewed", {"offset_ms": 2_000}, now_ms=NOW_MS)

    assert " warning: this host's clock is 2000 ms off" in line


def test_an_event_is_one_object_for_programs() -> None:
    line = format_json("jobs_handed_back", {"queue": "q", "jobs": 2, "worker": "w"}, now_ms=NOW_MS)

    assert json.loads(line) == {
        "time": "2026-09-21T14:13:20.123Z",
        "level": "info",
        "event": "jobs_handed_back",
        "message": "q: 2 job(s) of w wait again",
        "queue": "q",
        "jobs": 2,
        "worker": "w",
    }


def test_an_event_without_a_sentence_shows_its_fields() -> None:
    assert format_sentence("new_event", {"a": 1}) == "new_event a=1"


def test_durations_are_written_as_in_the_configuration() -> None:
    fields = {"queue": "q", "job": "a", "job_type": "sync", "run_ms": 90_000}

    assert format_sentence("job_completed", fields) == "q a: sync completed in 1m30s"


def test_a_missing_or_odd_field_does_not_raise() -> None:
    assert format_sentence("worker_restarting", {"pause_s": "soon"}).endswith("? starts in soon s")


def test_a_job_that_is_not_known_is_not_named() -> None:
    sentence = format_sentence("loop_blocked", {"worker": "w", "blocked_s": 2.5, "where": ""})

    assert sentence == (
        "all jobs of w were held up for 2.5 s, by code that lets no other thread run"
    )


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert (
        format_sentence("worker_said", {"worker": "w", "line": "a\x1b[2Jb\n"}) == r"w: a\x1b[2Jb\n"
    )


def test_every_event_that_is_announced_has_a_sentence() -> None:
    spoken = re.compile(r'(?:_on_event|_say|say|_tell)\(\s*"([a-z_]+)"')
    announced = {
        event
        for folder in ("runner", "runtime", "plugins")
        for file in (CODE / folder).rglob("*.py")
        for event in spoken.findall(file.read_text())
    }

    assert announced - set(SENTENCES) == {"job_started"}
