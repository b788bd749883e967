"""The sentences of the log: every event of a running pipeline, in words or as JSON."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from toril.declarations.units import format_duration

Level = Literal["info", "warning", "error"]
Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sentence:
    """How loud an event is, and its words with the event's fields in braces."""

    level: Level
    words: str


def _info(words: str) -> Sentence:
    return Sentence("info", words)


def _warning(words: str) -> Sentence:
    return Sentence("warning", words)


def _error(words: str) -> Sentence:
    return Sentence("error", words)


#: Every event by its stable name; a test finds those that are missing here.
SENTENCES: Mapping[str, Sentence] = {
    "runner_started": _info("{project} runs {queues} on {redis}; worker processes: {processes}"),
    "runner_stopping": _info("stops: {reason}; running jobs have {grace_s:g} s"),
    "runner_hurried": _warning("hands back at once what still runs"),
    "runner_stopped": _info("stopped"),
    "clock_skewed": _warning(
        "this host's clock is {offset_ms} ms off the Redis server's; Redis's is used"
    ),
    "server_restarted": _warning("the embedded server was gone and runs again"),
    "server_left": _warning("the embedded server does not answer; it is left running"),
    "redis_unavailable": _warning("Redis is away for {for_s} s ({during}): {error}"),
    "redis_available": _info("Redis is back after {after_s} s"),
    "limits_applied": _info(
        "{queue}: max active {max_active}, rate {rate}, limits per key {per_key}"
    ),
    "schedule_applied": _info("schedule {schedule} is {action}"),
    "schedule_refused": _error("schedule {schedule} is not in force: {reason}"),
    "schedule_paused": _warning(
        "schedule {schedule} is paused; `toril schedule resume {schedule}` has it tick again"
    ),
    "schedule_over": _warning(
        "schedule {schedule} does not tick: its instant or end had passed when it was first applied"
    ),
    "jobs_stalled": _warning(
        "{queue}: gave back {returned} job(s) whose lock ran out, {failed} to be failed for that"
    ),
    "events_untold": _info("{events} more jobs ended or changed, too many to tell one by one"),
    "job_completed": _info("{queue} {job}: {job_type} completed in {run_ms:duration}"),
    "step_skipped": _info("{queue} {job}: {job_type} is skipped"),
    "tick_skipped": _warning("{queue} {job}: this tick of {schedule} is skipped: {reason}"),
    "job_failed": _error("{queue} {job}: {job_type} failed, attempt {attempt}: {error}"),
    "dead_letter_added": _warning("{queue} {job}: {job_type} left a dead letter in {letter_queue}"),
    "job_retrying": _warning(
        "{queue} {job}: {job_type} failed, attempt {attempt}, again in {delay_ms:duration}: {error}"
    ),
    "job_postponed": _info("{queue} {job}: {job_type} asked to run later"),
    "job_rate_limited": _warning(
        "{queue} {job}: {job_type} met a rate limit; the queue waits {limit_ms:duration}"
    ),
    "job_waits_for_children": _info("{queue} {job}: {job_type} waits for its children"),
    "job_given_back": _info("{queue} {job}: {job_type} waits again, unfinished"),
    "job_overdue": _warning(
        "{queue} {job}: {job_type} runs in a thread beyond its timeout of {timeout_ms:duration},"
        " and cannot be stopped; it fails once it returns"
    ),
    "job_gone": _warning("{queue} {job}: {job_type} was removed while it ran"),
    "job_unsettled": _error(
        "{queue} {job}: {job_type} ended, but Redis does not take how; it is asked again: {error}"
    ),
    "flow_started": _info("{queue} {job}: flow {flow} starts as {run}"),
    "schedule_ended": _error("{queue} {job}: schedule {schedule} has no next tick: {error}"),
    "lock_lost": _warning("{queue} {job}: {job_type} lost its lock; its result is not taken"),
    "loop_blocked": _warning(
        "{queue} {job}: {job_type} held up all jobs of its process for {blocked_s} s;"
        " a plain function, run in a thread, would not: {where}"
    ),
    "worker_started": _info("{worker} is ready (pid {pid})"),
    "worker_failed": _error("{worker} cannot start: {error}"),
    "worker_ended": _error("{worker} (pid {pid}) ended: {exit}, with {running} job(s) running"),
    "worker_restarting": _info("a new process for {worker} starts in {pause_s:.2g} s"),
    "worker_killed": _warning("{worker} (pid {pid}) did not end in time and was killed"),
    "worker_paused": _warning(
        "{worker} did not run for {paused_s} s: its process was stopped, or got no processor"
    ),
    "worker_said": _info("{worker}: {line}"),
    "workers_hopeless": _error("no worker process became ready, time after time; see what it said"),
    "jobs_handed_back": _info("{queue}: {jobs} job(s) of {worker} wait again"),
    "job_blamed": _error("{queue} {job}: ended its worker process ({exit}), time {times}"),
    "suspects_isolated": _warning(
        "{jobs} job(s) ran when {worker} ended; they run again one at a time"
    ),
    "pipeline_idle": _info("nothing is left to do"),
    "pipeline_waits": _info(
        "nothing else is left to do, so it waits for {jobs} delayed job(s) of queue {queue!r},"
        " the first due at {due}"
    ),
    "pipeline_stuck": _error(
        "queue {queue!r} is paused with {jobs} job(s), so the work cannot finish;"
        " resume it with `toril queue resume {queue}`"
    ),
    "pipeline_childless": _error(
        "queue {queue!r} has {jobs} job(s) that wait for children, which failed or are not here, so"
        " the work cannot finish; retry or remove the children"
    ),
    "call_failed": _error("Redis refuses {during}: {error}"),
    "part_failed": _error("{part} failed and is started again: {error}"),
    "hook_failed": _warning("plugin {plugin}: hook {hook} failed ({failures} times): {error}"),
    "hook_muted": _error("plugin {plugin}: hook {hook} failed {failures} times and is muted"),
}

#: What these events say when they cannot name the job.
WITHOUT_JOB: Mapping[str, Sentence] = {
    "loop_blocked": _warning(
        "all jobs of {worker} were held up for {blocked_s} s, by code that lets no other thread run"
    ),
}


def format_text(event: str, fields: Fields, *, now_ms: int) -> str:
    """Writes an event as one line for people, in local time."""
    moment = datetime.fromtimestamp(now_ms / 1000).astimezone()
    level = level_of(event)
    mark = "" if level == "info" else f"{level}: "
    return f"{moment:%H:%M:%S} {mark}{format_sentence(event, fields)}"


def format_json(event: str, fields: Fields, *, now_ms: int) -> str:
    """Writes an event as one line for programs."""
    moment = datetime.fromtimestamp(now_ms / 1000, UTC)
    line = {
        "time": f"{moment:%Y-%m-%dT%H:%M:%S}.{now_ms % 1000:03d}Z",
        "level": level_of(event),
        "event": event,
        "message": format_sentence(event, fields),
        **fields,
    }
    return msgspec.json.encode(line, enc_hook=repr).decode()


def format_sentence(event: str, fields: Fields) -> str:
    """Puts an event into words; one without a sentence shows its name and fields."""
    sentence = SENTENCES.get(event)
    if "job" not in fields:
        sentence = WITHOUT_JOB.get(event, sentence)
    if sentence is None:
        words = " ".join([event, *(f"{name}={value}" for name, value in fields.items())])
    else:
        words = _Formatter().vformat(sentence.words, (), fields)
    return _on_one_line(words)


def level_of(event: str) -> Level:
    """Says how loud an event is."""
    sentence = SENTENCES.get(event)
    return "info" if sentence is None else sentence.level


class _Formatter(string.Formatter):
    """Formats even when a field is missing or of another kind: a log must not raise."""

    def get_value(self, key: int | str, args: Any, kwargs: Mapping[str, Any]) -> Any:
        return kwargs.get(str(key), "?")

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, list | tuple):
            return ", ".join(map(str, value)) or "none"
        try:
            if format_spec == "duration":
                return format_duration(value)
            return str(super().format_field(value, format_spec))
        except (TypeError, ValueError):
            return str(value)


def _on_one_line(text: str) -> str:
    """Shows control characters instead of sending them: job data must not play with a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
